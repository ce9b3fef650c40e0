//! When a worker is done: never, when its batch is finished, or when all that were open at its start are.

use std::time::{Duration, Instant};

use batch::{BatchId, State};

use super::batches::Known;
use super::handler::Handler;
use crate::cli::RunArgs;
use crate::exit::Failure;

/// How long a batch that does not exist is waited for: a Job may start before its `enqueue`.
const WAIT_FOR_MANIFEST: Duration = Duration::from_secs(5 * 60);
/// Between two questions to the store.
const POLL: Duration = Duration::from_secs(1);

/// What a worker waits for.
pub(super) enum Goal {
    /// Nothing: it runs until it is told to stop.
    Never,
    /// The end of one batch.
    Batch(BatchId),
    /// The end of every batch that was open at the start.
    All(Vec<BatchId>),
}

impl Goal {
    pub(super) async fn new(args: &RunArgs, handler: &Handler) -> Result<Self, Failure> {
        match (&args.batch, args.until_complete) {
            (_, false) => Ok(Self::Never),
            (Some(batch), true) => Ok(Self::Batch(batch.clone())),
            (None, true) => Ok(Self::All(handler.batches.marked().await?)),
        }
    }

    /// Waits until the goal is reached; an error is the end that the batch came to instead.
    pub(super) async fn reached(&self, handler: &Handler) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            let done = match self {
                Self::Never => std::future::pending().await,
                Self::Batch(id) => one(handler, id, started).await?,
                Self::All(ids) => all(handler, ids).await?,
            };
            if done {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn one(handler: &Handler, id: &BatchId, started: Instant) -> Result<bool, Failure> {
    match handler.batches.find(id).await? {
        Known::Over(State::Finished) => Ok(true),
        Known::Over(_) => Err(Failure::usage(format!("batch {id} was cancelled"))),
        Known::Deleted => Err(Failure::usage(format!("batch {id} was deleted"))),
        Known::Absent if started.elapsed() >= WAIT_FOR_MANIFEST => {
            let message = format!("batch {id} has no manifest; enqueue it first, or check PIXELMILL_STORE");
            Err(Failure::new(Failure::UNAVAILABLE, message))
        }
        Known::Absent | Known::Open(_) => Ok(false),
    }
}

async fn all(handler: &Handler, ids: &[BatchId]) -> Result<bool, Failure> {
    let mut open = Vec::new();
    for id in ids {
        if let Known::Open(_) = handler.batches.find(id).await? {
            open.push(id);
        }
    }
    let left = handler.left_to_others.lock().await;
    match open.iter().all(|id| left.contains(id)) {
        _ if open.is_empty() => Ok(true),
        true => Err(Failure::usage("none of the open batches has a model that this worker can load; see --model")),
        false => Ok(false),
    }
}
