//! `worker run`: takes tasks from the queue, and from the manifests where the queue forgot them, until it is told to stop
//! or what it waits for is finished.

mod batches;
mod engines;
mod finishing;
mod handler;
mod idle;
mod until;

use std::sync::Arc;
use std::time::Duration;

use queue::{Broker, Consumer, ConsumerOptions, Topology};
use store::Store;
use store::source::{self, Sources};
use tokio::task::JoinSet;

use crate::cli::RunArgs;
use crate::exit::Failure;
use crate::machine;
use crate::shutdown::Shutdown;
use batches::Batches;
use engines::Engines;
use finishing::Finishing;
use handler::Handler;

/// Tasks worked on at a time: one that is done, one that fills the cores, one whose images are fetched.
const TASKS_AT_A_TIME: u16 = 3;
/// What handing work back may take of a pod's grace period.
const HAND_BACK: Duration = Duration::from_secs(3);

/// Works until `shutdown` is asked for or the batches it waits for are finished.
pub async fn run(args: RunArgs, mut shutdown: Shutdown) -> Result<(), Failure> {
    let store = Store::open(&args.store).await?;
    let sources = Sources::new(source::Settings {
        http_hosts: args.http_hosts.clone(),
        // Without a root, a message could name any file of this machine.
        file_roots: Some(args.file_roots.clone()),
        ..Default::default()
    })?;
    let topology = Topology::new(args.queue.as_str())?;
    let broker = broker(&args.amqp_url, args.amqp_ca.as_deref(), &format!("worker on {}", machine::host()))?;
    let handler = Arc::new(Handler {
        batches: Batches::new(store.clone(), args.queue.clone()),
        engines: Engines::new(args.engine.clone(), sources, args.model.clone()),
        store,
        finishing: Finishing::default(),
        own_batch: args.batch.clone(),
        left_to_others: Default::default(),
        started: jiff::Timestamp::now(),
        threads: args.engine.threads(),
    });
    let consumer =
        Consumer::start(&broker, &topology, ConsumerOptions { prefetch: TASKS_AT_A_TIME, ..Default::default() });
    let goal = until::Goal::new(&args, &handler).await?;
    let mut worker = Working { handler: Arc::clone(&handler), consumer, tasks: JoinSet::new() };
    let result = tokio::select! {
        ended = worker.work() => ended,
        reached = goal.reached(&handler) => reached,
        code = shutdown.asked() => Err(Failure::new(code, "stopped; unfinished tasks were handed back")),
    };
    worker.hand_back().await;
    result
}

struct Working {
    handler: Arc<Handler>,
    consumer: Consumer,
    tasks: JoinSet<Result<(), Failure>>,
}

impl Working {
    /// Takes deliveries as long as there is room; returns with what cannot be survived.
    async fn work(&mut self) -> Result<(), Failure> {
        let status = self.consumer.status();
        let idle = idle::search(Arc::clone(&self.handler), status);
        tokio::pin!(idle);
        loop {
            let room = self.tasks.len() < usize::from(TASKS_AT_A_TIME);
            tokio::select! {
                delivery = self.consumer.next(), if room => {
                    let (handler, delivery) = (Arc::clone(&self.handler), delivery?);
                    self.tasks.spawn(async move { handler.handle(delivery).await });
                }
                Some(done) = self.tasks.join_next() => match done {
                    Ok(result) => result?,
                    Err(error) => return Err(Failure::new(Failure::UNAVAILABLE, format!("a task ended early: {error}"))),
                },
                ended = &mut idle => ended?,
            }
        }
    }

    /// Drops what is under way, which gives it back to the broker, and closes.
    async fn hand_back(mut self) {
        self.tasks.shutdown().await;
        self.consumer.stop(HAND_BACK).await;
    }
}

/// The broker's address and how to trust it.
fn broker(url: &str, ca: Option<&std::path::Path>, name: &str) -> Result<Broker, Failure> {
    let url: queue::AmqpUrl = url.parse()?;
    let broker = Broker::new(url, name);
    match ca {
        Some(file) => Ok(broker.with_ca_file(file)?),
        None => Ok(broker),
    }
}
