//! The queue is never needed to finish: a worker that gets nothing takes tasks that were missing when it last looked, and
//! one that gets much gives a share of its work to batches that get nothing.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use batch::{BatchId, StoredBatch};
use program::Failure;
use queue::{Broker, ConsumerStatus};
use store::Created;

use super::batches::Known;
use super::handler::{Handler, Mode, WorkError};
use super::letters::Letters;
use super::starved::Starved;
use crate::observe::{Source, health};

/// Between two looks, at least: by a worker that has work, touched batches are finished this soon.
const TICK: Duration = Duration::from_secs(2);
/// Missing tasks remembered per batch.
pub(super) const MOST_MISSING: usize = 1000;

/// What this worker saw of one batch.
struct Look {
    at: Instant,
    missing: HashSet<u64>,
}

/// Finishes touched batches, and works on missing tasks while no delivery comes. Returns only with what cannot be
/// survived.
pub(super) async fn search(handler: Arc<Handler>, status: ConsumerStatus, broker: Broker) -> Result<(), Failure> {
    let first = Letters::new(broker.clone());
    let first = async { first.revive_first(&handler, &status).await.or_else(passing) };
    let search = Search {
        handler: Arc::clone(&handler),
        status: status.clone(),
        looks: HashMap::new(),
        taken: HashMap::new(),
        letters: Letters::new(broker),
        starved: Starved::default(),
    };
    tokio::try_join!(first, search.run()).map(drop)
}

/// Up to half as much again, so that many workers do not look at once.
pub(super) fn jittered(pause: Duration) -> Duration {
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
    letters: Letters,
    starved: Starved,
}

impl Search {
    async fn run(mut self) -> Result<(), Failure> {
        self.touch_marked().await.or_else(passing)?;
        // At once, too: what restarted workers find complete must not wait for one that lives longer.
        loop {
            self.handler.finish_touched().await.or_else(passing)?;
            self.look().await.or_else(passing)?;
            self.give_to_starved().await.or_else(passing)?;
            let pause = tokio::time::sleep(jittered(TICK));
            tokio::pin!(pause);
            while tokio::select! { () = &mut pause => false, () = self.handler.quiet.comes() => true } {
                // The task that ended may have been the last one of its batch.
                self.handler.finish_touched().await.or_else(passing)?;
            }
        }
    }

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
        let marked = self.handler.batches.marked().await?;
        health().looked();
        let mut shortest = None;
        for id in marked {
            match self.handler.batches.find(&id).await? {
                Known::Open(batch) => {
                    shortest = Some(shortest.unwrap_or(Duration::MAX).min(patience(&batch)));
                    self.look_at(&id, &batch).await?;
                }
                Known::Deleted => self.handler.batches.unmark(&id).await?,
                Known::Over(_) | Known::Absent => {}
            }
        }
        self.letters.revive(&self.handler, &self.status, shortest).await
    }

    async fn look_at(&mut self, id: &BatchId, batch: &Arc<StoredBatch>) -> Result<(), WorkError> {
        let patience = patience(batch);
        let earlier = self.looks.get(id);
        if earlier.is_some_and(|look| look.at.elapsed() < patience) {
            return Ok(());
        }
        let gap = self.handler.finishing.gap(id).await;
        let missing: HashSet<u64> = batch.missing(gap, MOST_MISSING).await?.into_iter().collect();
        match missing.iter().min() {
            Some(first) => self.handler.finishing.remember_gap(id, *first).await,
            None => self.handler.finishing.touch(batch).await,
        }
        let mut still: Vec<u64> =
            earlier.map(|look| look.missing.intersection(&missing).copied().collect()).unwrap_or_default();
        self.looks.insert(id.clone(), Look { at: Instant::now(), missing });
        shuffle(&mut still);
        for task in still {
            if self.status.idle() < patience {
                break;
            }
            self.take(id, batch, task, Source::Idle).await?;
        }
        Ok(())
    }

    /// Works on tasks of batches that got no part for long: one for every nine that the queue brings.
    async fn give_to_starved(&mut self) -> Result<(), WorkError> {
        self.starved.look(&self.handler).await?;
        while let Some((batch, mut missing)) = self.starved.turn(&self.status) {
            let id = batch.manifest.batch.clone();
            if self.handler.left_to_others.lock().await.contains(&id) {
                continue;
            }
            shuffle(&mut missing);
            for task in missing {
                if self.take(&id, &batch, task, Source::Starved).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Works on a missing task, unless another worker has just taken it. Gives whether it did.
    async fn take(
        &mut self,
        id: &BatchId,
        batch: &Arc<StoredBatch>,
        task: u64,
        source: Source,
    ) -> Result<bool, WorkError> {
        if self.handler.under_way.has(id, task) {
            return Ok(false);
        }
        let note = batch.layout().note(&taken_note(task))?;
        let mode = match self.handler.store.create(&note, "taken\n".into()).await? {
            Created::Now => Mode::Shared,
            // Whoever took it had its time; perhaps the task ended it.
            Created::Before => {
                let seen = self.taken.entry((id.clone(), task)).or_insert_with(Instant::now);
                if seen.elapsed() < patience(batch) {
                    return Ok(false);
                }
                Mode::Isolated
            }
        };
        if batch.has_part(task).await? {
            return Ok(false);
        }
        self.handler.work_unasked(batch, task, mode, source).await?;
        self.handler.finish_touched().await?;
        Ok(true)
    }
}

/// In random order, so that many workers do not all begin with the same task.
fn shuffle(tasks: &mut [u64]) {
    let order = RandomState::new();
    tasks.sort_by_key(|task| order.hash_one(task));
}

/// The note of whoever takes a task that no message brought.
pub(super) fn taken_note(task: u64) -> String {
    format!("{task:08}.taken")
}

/// T: how long nothing must have come before the manifest is asked, twice a task's time limit.
pub(super) fn patience(batch: &StoredBatch) -> Duration {
    Duration::from_secs(2 * u64::from(batch.manifest.settings.task_timeout_s))
}
