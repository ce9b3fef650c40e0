//! The queue is never needed to finish: a worker that gets nothing takes tasks that were missing when it last looked.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use batch::{BatchId, StoredBatch};
use queue::ConsumerStatus;
use store::Created;

use super::batches::Known;
use super::handler::{Handler, Mode, WorkError};
use crate::exit::Failure;

/// Between two looks, at least: touched batches are finished this soon.
const TICK: Duration = Duration::from_secs(2);
/// Missing tasks remembered per batch.
const MOST_MISSING: usize = 1000;

/// What this worker saw of one batch.
struct Look {
    at: Instant,
    missing: HashSet<u64>,
}

/// Finishes touched batches, and works on missing tasks while no delivery comes. Returns only with what cannot be
/// survived.
pub(super) async fn search(handler: Arc<Handler>, status: ConsumerStatus) -> Result<(), Failure> {
    let mut search = Search { handler, status, looks: HashMap::new(), taken: HashMap::new() };
    search.touch_marked().await.or_else(passing)?;
    // At once, too: what restarted workers find complete must not wait for one that lives longer.
    loop {
        search.handler.finish_touched().await.or_else(passing)?;
        search.look().await.or_else(passing)?;
        tokio::time::sleep(jittered(TICK)).await;
    }
}

/// Up to half as much again, so that many workers do not look at once.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 500;
    pause + pause * u32::try_from(random).unwrap_or(0) / 1000
}

/// Only what this process cannot survive ends the search; the rest is tried again.
fn passing(error: WorkError) -> Result<(), Failure> {
    match error {
        WorkError::Fatal(failure) => Err(failure),
        WorkError::NotNow(reason) | WorkError::LeftToOthers(reason) => {
            tracing::debug!(reason, "not now");
            Ok(())
        }
    }
}

struct Search {
    handler: Arc<Handler>,
    status: ConsumerStatus,
    looks: HashMap<BatchId, Look>,
    /// Tasks that another worker took without a delivery, and when this one saw that first.
    taken: HashMap<(BatchId, u64), Instant>,
}

impl Search {
    /// Batches that were complete before this worker came are finished by it.
    async fn touch_marked(&self) -> Result<(), WorkError> {
        for id in self.handler.batches.marked().await? {
            if let Known::Open(batch) = self.handler.batches.find(&id).await? {
                self.handler.finishing.touch(&batch).await;
            }
        }
        Ok(())
    }

    /// Looks what is missing, once per patience and batch, and works on what was missing before.
    async fn look(&mut self) -> Result<(), WorkError> {
        // A worker that gets deliveries need not look; short idle times say nothing yet.
        if self.status.idle() < TICK * 2 {
            self.looks.clear();
            return Ok(());
        }
        for id in self.handler.batches.marked().await? {
            match self.handler.batches.find(&id).await? {
                Known::Open(batch) => self.look_at(&id, &batch).await?,
                Known::Deleted => self.handler.batches.unmark(&id).await?,
                Known::Over(_) | Known::Absent => {}
            }
        }
        Ok(())
    }

    async fn look_at(&mut self, id: &BatchId, batch: &Arc<StoredBatch>) -> Result<(), WorkError> {
        let patience = patience(batch);
        let earlier = self.looks.get(id);
        if earlier.is_some_and(|look| look.at.elapsed() < patience) {
            return Ok(());
        }
        let missing: HashSet<u64> = batch.missing(0, MOST_MISSING).await?.into_iter().collect();
        if missing.is_empty() {
            self.handler.finishing.touch(batch).await;
        }
        let mut still: Vec<u64> =
            earlier.map(|look| look.missing.intersection(&missing).copied().collect()).unwrap_or_default();
        self.looks.insert(id.clone(), Look { at: Instant::now(), missing });
        // In random order, so that many idle workers do not all begin with the same task.
        let order = RandomState::new();
        still.sort_by_key(|task| order.hash_one(task));
        for task in still {
            if self.status.idle() < patience {
                break;
            }
            self.take(id, batch, task, patience).await?;
        }
        Ok(())
    }

    /// Works on a missing task, unless another idle worker has just taken it.
    async fn take(
        &mut self,
        id: &BatchId,
        batch: &Arc<StoredBatch>,
        task: u64,
        patience: Duration,
    ) -> Result<(), WorkError> {
        let note = batch.layout().note(&format!("{task:08}.taken"))?;
        let mode = match self.handler.store.create(&note, "taken\n".into()).await? {
            Created::Now => Mode::Shared,
            // Whoever took it had its time; perhaps the task ended it.
            Created::Before => {
                let seen = self.taken.entry((id.clone(), task)).or_insert_with(Instant::now);
                if seen.elapsed() < patience {
                    return Ok(());
                }
                Mode::Isolated
            }
        };
        if batch.has_part(task).await? {
            return Ok(());
        }
        tracing::info!(batch = %id, task, ?mode, "a task that the queue forgot");
        self.handler.work(batch, task, mode).await?;
        self.handler.finish_touched().await
    }
}

/// T: how long nothing must have come before the manifest is asked, twice a task's time limit.
fn patience(batch: &StoredBatch) -> Duration {
    Duration::from_secs(2 * u64::from(batch.manifest.settings.task_timeout_s))
}
