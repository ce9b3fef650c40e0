//! `worker run`: takes tasks from the queue, and from the manifests where the queue forgot them, until it is told to stop
//! or what it waits for is finished.

mod batches;
mod engines;
mod finishing;
mod handler;
mod idle;
mod leftovers;
mod letters;
mod quiet;
mod starved;
mod under_way;
mod until;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use program::Failure;
use queue::{Admin, Broker, Consumer, ConsumerOptions, Topology};
use store::source::{self, Sources};
use store::{Options, Store};
use tokio::task::JoinSet;

use crate::cli::RunArgs;
use crate::machine;
use crate::observe::{self, health};
use crate::shutdown::Shutdown;
use batches::Batches;
use engines::Engines;
use finishing::Finishing;
use handler::Handler;

/// Tasks worked on at a time: one that is done, one that fills the cores, one whose images are fetched.
const TASKS_AT_A_TIME: u16 = 3;
/// How long the broker has to take back what is answered and what is not; the end of the connection does the same.
const HAND_BACK: Duration = Duration::from_secs(2);
/// What handing work back may take in all, whatever hangs: an end that was asked for comes within ten seconds.
const AT_MOST: Duration = Duration::from_secs(5);

/// Works until `shutdown` is asked for or the batches it waits for are finished.
pub async fn run(args: RunArgs, mut shutdown: Shutdown) -> Result<(), Failure> {
    if let Some(address) = args.listen {
        let cannot = |error| Failure::usage(format!("--listen {address} cannot be used: {error}"));
        let address = observe::serve(address).map_err(cannot)?;
        tracing::info!(%address, "serving /metrics, /livez and /readyz");
    }
    tokio::spawn(observe::beat());
    let mut worker = None;
    // Whatever hangs, be it the very first question to the store: the end comes when it is asked for.
    let result = tokio::select! {
        result = work(&args, &mut worker) => result,
        code = shutdown.asked() => Err(Failure::new(code, "stopped; unfinished tasks were handed back")),
    };
    health().stop();
    if let Some(worker) = worker {
        let handing_back = tokio::time::timeout(AT_MOST, Working::hand_back(worker));
        if handing_back.await.is_err() {
            tracing::warn!("handing work back took too long; the broker does it when the connection ends");
        }
    }
    result
}

/// Everything between start and end; `started` holds what must be handed back.
async fn work(args: &RunArgs, started: &mut Option<Working>) -> Result<(), Failure> {
    let broker = broker(&args.amqp_url, args.amqp_ca.as_deref(), &format!("worker on {}", machine::host()))?;
    say_hello(args, &broker);
    check_folders(args).await?;
    let store = Store::open(&args.store).await?;
    let sources = Sources::new(source::Settings {
        http_hosts: args.http_hosts.clone(),
        // Without a root, a message could name any file of this machine.
        file_roots: Some(args.file_roots.clone()),
        ..Default::default()
    })?;
    let models = args.models.cache(Options::default());
    let handler = Arc::new(Handler {
        batches: Batches::new(store.clone(), args.queue.clone()),
        engines: Engines::new(args.engine.clone(), sources, models, args.model.clone()),
        store,
        finishing: Finishing::default(),
        quiet: Default::default(),
        own_batch: args.batch.clone(),
        left_to_others: Default::default(),
        under_way: Default::default(),
        alone: Default::default(),
        started: jiff::Timestamp::now(),
        threads: args.engine.threads(),
    });
    let topology = Topology::new(args.queue.as_str())?;
    let options = ConsumerOptions { prefetch: TASKS_AT_A_TIME, ..Default::default() };
    let consumer = Consumer::start(&broker, &topology, options);
    let status = consumer.status();
    health().watch(status.clone());
    let worker = started.insert(Working { handler: Arc::clone(&handler), consumer, tasks: JoinSet::new() });
    let goal = async {
        let goal = until::Goal::new(args, &handler).await?;
        goal.reached(&handler).await?;
        if args.batch.is_none() {
            leftovers::taken(&status, &handler.quiet, Admin::new(&broker, &topology)).await;
        }
        Ok(())
    };
    tokio::select! {
        ended = worker.work(broker.clone()) => ended,
        reached = goal => reached,
    }
}

/// A folder that is not there is a slip, or not mounted: it would only show when a task comes, or never.
async fn check_folders(args: &RunArgs) -> Result<(), Failure> {
    let model = args.model.as_deref().filter(|model| *model != "builtin");
    for (flag, place) in [("--store", Some(args.store.as_str())), ("--model", model)] {
        let Some(place) = place.map(|place| place.strip_prefix("file://").unwrap_or(place)) else { continue };
        let folder = PathBuf::from(place);
        // On a thread apart: a mount that hangs must not keep the worker from ending.
        let is_there = tokio::task::spawn_blocking(move || folder.is_dir());
        if !place.contains("://") && !is_there.await.unwrap_or(true) {
            return Err(Failure::usage(format!("{flag} {place}: there is no such folder here")));
        }
    }
    Ok(())
}

/// What runs here, and as what it was configured; nothing of it is secret.
fn say_hello(args: &RunArgs, broker: &Broker) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        host = machine::host(),
        queue = %args.queue,
        store = args.store,
        broker = %broker.url(),
        batch = args.batch.as_ref().map(tracing::field::display),
        until_complete = args.until_complete,
        model = args.model,
        threads = args.engine.threads(),
        engine_memory = machine::engine_memory(args.engine.max_memory),
        "the worker starts"
    );
}

struct Working {
    handler: Arc<Handler>,
    consumer: Consumer,
    tasks: JoinSet<Result<(), Failure>>,
}

impl Working {
    /// Takes deliveries as long as there is room; returns with what cannot be survived.
    async fn work(&mut self, broker: Broker) -> Result<(), Failure> {
        let idle = idle::search(Arc::clone(&self.handler), self.consumer.status(), broker);
        tokio::pin!(idle);
        loop {
            let room = self.tasks.len() < usize::from(TASKS_AT_A_TIME);
            tokio::select! {
                delivery = self.consumer.next(), if room => {
                    let (handler, delivery) = (Arc::clone(&self.handler), delivery?);
                    self.handler.quiet.set(false);
                    self.tasks.spawn(async move { handler.handle(delivery).await });
                }
                Some(done) = self.tasks.join_next() => {
                    match done {
                        Ok(result) => result?,
                        Err(error) => return Err(Failure::unavailable(format!("a task ended early: {error}"))),
                    }
                    self.handler.quiet.set(self.tasks.is_empty());
                }
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
