//! What a soak does to workers, broker, queue and store.

use std::time::Duration;

use anyhow::Result;
use queue::{AmqpUrl, Broker, Outgoing, Publisher, PublisherOptions, Topology};
use tokio::time::sleep;

use super::Soak;
use super::crew::Crew;
use crate::s3::Plan;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    KillWorker,
    StopWorker,
    CutLinks,
    ResetLinks,
    StallLinks,
    RestartBroker,
    KillBroker,
    FreezeBroker,
    CloseConnections,
    MemoryAlarm,
    PurgeQueue,
    DeleteQueue,
    UnbindDeadLetters,
    HostileMessages,
    StoreWeather,
    StoreOutage,
    EnqueueAgain,
    Reconcile,
}

impl Act {
    pub(super) const ALL: [Act; 18] = [
        Act::KillWorker,
        Act::StopWorker,
        Act::CutLinks,
        Act::ResetLinks,
        Act::StallLinks,
        Act::RestartBroker,
        Act::KillBroker,
        Act::FreezeBroker,
        Act::CloseConnections,
        Act::MemoryAlarm,
        Act::PurgeQueue,
        Act::DeleteQueue,
        Act::UnbindDeadLetters,
        Act::HostileMessages,
        Act::StoreWeather,
        Act::StoreOutage,
        Act::EnqueueAgain,
        Act::Reconcile,
    ];

    /// How often it comes, compared with the others.
    pub(super) fn weight(self) -> u64 {
        match self {
            Act::KillWorker => 16,
            Act::StopWorker | Act::CutLinks | Act::ResetLinks | Act::StoreWeather => 4,
            Act::StoreOutage | Act::FreezeBroker => 1,
            _ => 2,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Act::KillWorker => "workers killed",
            Act::StopWorker => "workers stopped",
            Act::CutLinks => "links cut",
            Act::ResetLinks => "links reset",
            Act::StallLinks => "links stalled",
            Act::RestartBroker => "broker restarted",
            Act::KillBroker => "broker killed",
            Act::FreezeBroker => "broker frozen",
            Act::CloseConnections => "connections closed",
            Act::MemoryAlarm => "memory alarms",
            Act::PurgeQueue => "queue purged",
            Act::DeleteQueue => "queue deleted",
            Act::UnbindDeadLetters => "dead letters unbound",
            Act::HostileMessages => "bursts of hostile messages",
            Act::StoreWeather => "changes of the store's weather",
            Act::StoreOutage => "store outages",
            Act::EnqueueAgain => "enqueued again",
            Act::Reconcile => "reconciled",
        }
    }
}

/// How long the broker is frozen and the store away.
const FROZEN: Duration = Duration::from_secs(60);
const OUTAGE: Duration = Duration::from_secs(120);
/// Without a node there is no soak.
const SERVED: &str = "a node that obeys";

impl Soak {
    /// Does it; an error is a command that the broker refused. `enqueue` are the arguments that made the batch.
    pub(super) async fn perform(&mut self, act: Act, enqueue: &[&str], crew: &mut Crew) -> Result<()> {
        let (scene, node) = (&self.scene, &mut self.node);
        match act {
            Act::KillWorker => crew.kill(self.dice.below(crew.len()) as usize, scene),
            Act::StopWorker => crew.stop_one(self.dice.below(crew.len()) as usize, scene).await,
            Act::CutLinks => self.proxy.cut(),
            Act::ResetLinks => self.proxy.reset(),
            Act::StallLinks => {
                self.proxy.stall(true);
                sleep(self.dice.seconds(1, 20)).await;
                self.proxy.stall(false);
            }
            Act::RestartBroker => {
                node.stop().await.expect(SERVED);
                sleep(self.dice.seconds(0, 5)).await;
                node.resume().await.expect(SERVED);
            }
            Act::KillBroker => {
                node.kill().await.expect(SERVED);
                sleep(self.dice.seconds(0, 5)).await;
                node.resume().await.expect(SERVED);
            }
            Act::FreezeBroker => {
                node.freeze().expect(SERVED);
                sleep(FROZEN).await;
                node.thaw().expect(SERVED);
            }
            Act::CloseConnections => node.close_all_connections().await?,
            Act::MemoryAlarm => {
                node.set_memory_alarm(true).await?;
                sleep(self.dice.seconds(1, 10)).await;
                node.set_memory_alarm(false).await?;
            }
            Act::PurgeQueue => node.purge_queue(&scene.queue).await?,
            Act::DeleteQueue => node.delete_queue(&scene.queue).await?,
            Act::UnbindDeadLetters => node.unbind(&format!("{}.dead", scene.queue)).await?,
            Act::HostileMessages => self.hostile_messages().await,
            Act::StoreWeather => {
                let plans =
                    [Plan::default(), Plan::bad_weather(), Plan { hang: 0.005, stall: 0.005, ..Plan::bad_weather() }];
                let plan = self.dice.below(plans.len() as u64) as usize;
                scene.s3.faults().set(|now| *now = plans[plan].clone());
            }
            Act::StoreOutage => {
                scene.s3.faults().set(|plan| plan.outage = true);
                sleep(OUTAGE).await;
                scene.s3.faults().set(|plan| plan.outage = false);
            }
            // May fail, for want of a broker or a queue; the batch must not care.
            Act::EnqueueAgain => drop(scene.try_produce(enqueue).await),
            Act::Reconcile => drop(scene.try_produce(&["reconcile", "--open"]).await),
        }
        Ok(())
    }

    pub(super) async fn calm_down(&self) {
        self.scene.s3.faults().heal();
        self.node.set_memory_alarm(false).await.expect("a broker that runs");
    }

    async fn hostile_messages(&mut self) {
        let url: AmqpUrl = self.node.url().parse().expect("a URL");
        let broker = Broker::new(url, "hostile");
        let topology = Topology::new(&self.scene.queue).expect("a name");
        let mut publisher = Publisher::new(&broker, &topology, PublisherOptions::default());
        let messages: Vec<_> = (0..20)
            .map(|_| {
                let length = self.dice.below(2000);
                Outgoing::raw((0..length).map(|_| self.dice.below(256) as u8).collect::<Vec<u8>>())
            })
            .collect();
        // Without a queue they are lost, which is no harm.
        let sending = publisher.publish_all(futures::stream::iter(messages));
        drop(tokio::time::timeout(Duration::from_secs(30), sending).await);
        publisher.close().await;
    }
}
