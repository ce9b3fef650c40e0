//! The one loop that builds connection, channel, prefetch and subscription, and builds them again after every loss.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel};
use retry::{Limit, Policy, Schedule};
use tokio::sync::{mpsc, watch};

use crate::admin::passive;
use crate::broker::{Broker, Link, within};
use crate::consumer::{ConsumerOptions, Stopped};
use crate::delivery::{Delivery, Holdings, give_back};
use crate::error::QueueError;
use crate::status::ConsumerStatus;
use crate::topology::Topology;

/// A subscription that lived this long makes the next loss start with the shortest delay again.
const STEADY: Duration = Duration::from_secs(10);
const CANCEL: Duration = Duration::from_secs(2);

/// A consumer outlives outages of any length; its end is `stop`. The delays stay below 20 s.
const FOREVER: Policy =
    Policy { first: Duration::from_millis(200), longest: Duration::from_secs(20), limit: Limit::Attempts(u32::MAX) };

/// What the consumer's user wants of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Work,
    Stop { grace: Duration },
}

pub(crate) struct Supervisor {
    pub(crate) broker: Broker,
    pub(crate) topology: Topology,
    pub(crate) options: ConsumerOptions,
    pub(crate) out: mpsc::Sender<Result<Delivery, QueueError>>,
    pub(crate) orders: watch::Receiver<Order>,
    pub(crate) status: ConsumerStatus,
}

/// One subscription, from its connection to its loss.
struct Session {
    consumer: lapin::Consumer,
    channel: Channel,
    link: Link,
    holdings: Arc<Holdings>,
    dropped: mpsc::Receiver<Acker>,
}

enum End {
    Lost(QueueError),
    Stop { grace: Duration },
}

impl Supervisor {
    pub(crate) async fn run(self) -> Stopped {
        let stopped = self.subscribe_until_stopped().await;
        if self.status.is_connected() {
            self.status.lost("stopped");
        }
        stopped
    }

    async fn subscribe_until_stopped(&self) -> Stopped {
        let mut delays = FOREVER.schedule();
        loop {
            let opened = tokio::select! {
                biased;
                _ = stop(&self.orders) => return Stopped { unanswered: 0 },
                opened = self.open() => opened,
            };
            let lost = match opened {
                Ok(session) => {
                    let since = Instant::now();
                    match self.serve(session).await {
                        Ok(stopped) => return stopped,
                        Err(lost) => {
                            if since.elapsed() >= STEADY {
                                delays = FOREVER.schedule();
                            }
                            lost
                        }
                    }
                }
                Err(error) if !error.is_transient() && !self.status.was_ever_connected() => {
                    self.status.lost(&error.to_string());
                    let _nobody_waits = self.out.send(Err(error)).await;
                    return Stopped { unanswered: 0 };
                }
                Err(error) => error,
            };
            self.status.lost(&lost.to_string());
            if self.wait(&mut delays, &lost).await.is_stop() {
                return Stopped { unanswered: 0 };
            }
        }
    }

    async fn open(&self) -> Result<Session, QueueError> {
        let link = self.broker.connect("consume").await?;
        match self.subscribe(&link).await {
            Err(QueueError::Missing { queue }) => {
                tracing::warn!(queue, "the queue does not exist; declaring it");
                self.topology.declare(&link).await?;
            }
            Err(error) => return Err(error),
            Ok((channel, consumer)) => return Ok(self.session(link, channel, consumer)),
        }
        let (channel, consumer) = self.subscribe(&link).await?;
        Ok(self.session(link, channel, consumer))
    }

    async fn subscribe(&self, link: &Link) -> Result<(Channel, lapin::Consumer), QueueError> {
        let queue = self.topology.queue();
        let channel = link.channel().await?;
        let qos = channel.basic_qos(self.options.prefetch, BasicQosOptions::default());
        within("setting the prefetch", queue, qos).await?;
        let options = BasicConsumeOptions::default();
        let consuming = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        let consumer = within(&format!("consuming queue `{queue}`"), queue, consuming).await?;
        Ok((channel, consumer))
    }

    fn session(&self, link: Link, channel: Channel, consumer: lapin::Consumer) -> Session {
        let (holdings, dropped) = Holdings::new(self.options.prefetch);
        self.status.subscribed();
        tracing::info!(queue = self.topology.queue(), broker = %self.broker.url(), "consuming");
        Session { consumer, channel, link, holdings, dropped }
    }

    /// Hands messages out until the subscription is lost or the consumer is to stop.
    async fn serve(&self, mut session: Session) -> Result<Stopped, QueueError> {
        let end = self.work(&mut session).await;
        match end {
            End::Stop { grace } => Ok(session.finish(grace).await),
            End::Lost(error) => {
                session.holdings.end();
                // A cancelled consumer leaves a healthy connection with unanswered messages: closing frees them.
                session.link.close().await;
                Err(error)
            }
        }
    }

    async fn work(&self, session: &mut Session) -> End {
        let mut probe = tokio::time::interval_at(tokio::time::Instant::now() + self.options.probe, self.options.probe);
        probe.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                grace = stop(&self.orders) => return End::Stop { grace },
                Some(acker) = session.dropped.recv() => {
                    if let Err(error) = within("giving back", "", give_back(&acker)).await {
                        return End::Lost(error);
                    }
                }
                delivery = session.consumer.next() => match delivery {
                    Some(Ok(delivery)) => {
                        self.status.delivered();
                        probe.reset();
                        let delivery = Delivery::new(delivery, &session.holdings);
                        tokio::select! {
                            biased;
                            grace = stop(&self.orders) => return End::Stop { grace },
                            // Room for the whole prefetch: it is only full of what an earlier connection brought.
                            sent = self.out.send(Ok(delivery)) => if sent.is_err() {
                                return End::Stop { grace: Duration::ZERO };
                            }
                        }
                    }
                    Some(Err(error)) => return End::Lost(QueueError::from_lapin("consuming", self.topology.queue(), &error)),
                    None => return End::Lost(QueueError::Unavailable("the broker ended the subscription".into())),
                },
                _ = probe.tick() => if let Err(error) = self.probe(session).await {
                    return End::Lost(error);
                }
            }
        }
    }

    /// A broker that is silent because nothing is to be done answers this; one that is silent for another reason does not.
    async fn probe(&self, session: &Session) -> Result<(), QueueError> {
        if !session.link.is_open() {
            return Err(QueueError::Unavailable("the connection was lost".into()));
        }
        let channel = session.link.channel().await?;
        passive(&channel, self.topology.queue()).await?;
        Ok(())
    }

    async fn wait(&self, delays: &mut Schedule, lost: &QueueError) -> Order {
        let delay = delays.next().unwrap_or(FOREVER.longest);
        tracing::warn!(error = %lost, queue = self.topology.queue(), delay_ms = delay.as_millis() as u64, "subscribing again");
        tokio::select! {
            grace = stop(&self.orders) => Order::Stop { grace },
            () = tokio::time::sleep(delay) => Order::Work,
        }
    }
}

impl Order {
    fn is_stop(self) -> bool {
        matches!(self, Order::Stop { .. })
    }
}

impl Session {
    /// Ends the subscription first, so that nothing new comes while the rest is answered or given back.
    async fn finish(mut self, grace: Duration) -> Stopped {
        let cancelling = self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        let _answered = tokio::time::timeout(CANCEL, cancelling).await;
        let deadline = tokio::time::Instant::now() + grace;
        let mut more = true;
        while (more || self.holdings.held() > 0 || !self.dropped.is_empty()) && self.link.is_open() {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => break,
                Some(acker) = self.dropped.recv() => drop(within("giving back", "", give_back(&acker)).await),
                () = self.holdings.changed.notified() => {}
                delivery = self.consumer.next(), if more => match delivery {
                    Some(Ok(delivery)) => drop(within("giving back", "", give_back(&delivery.acker)).await),
                    Some(Err(_)) | None => more = false,
                },
            }
        }
        let unanswered = self.holdings.held();
        self.holdings.end();
        self.link.close().await;
        Stopped { unanswered }
    }
}

/// Returns when the consumer is to stop, or is gone.
async fn stop(orders: &watch::Receiver<Order>) -> Duration {
    let mut orders = orders.clone();
    let grace = |order: &Order| match *order {
        Order::Stop { grace } => grace,
        Order::Work => Duration::ZERO,
    };
    match orders.wait_for(|order| order.is_stop()).await {
        Ok(order) => grace(&order),
        Err(_gone) => Duration::ZERO,
    }
}
