//! Batches that got no part for long, while this worker is busy with others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use batch::{BatchError, BatchId, StoredBatch};
use queue::ConsumerStatus;

use super::batches::Known;
use super::handler::{Handler, WorkError};
use super::idle::{MOST_MISSING, jittered, patience, taken_note};

/// Between two looks at all batches.
const EVERY: Duration = Duration::from_secs(15);
/// A batch that got no part for so many times its patience T is starved.
const STARVED_AFTER: u32 = 10;
/// One task in ten is for the starved: one after nine deliveries.
const DELIVERIES_PER_TURN: u64 = 9;

/// As many tasks that were done since the last look tell who did them.
const ASKED_FOR: usize = 8;

/// What a busy worker sees of the batches of its queue.
#[derive(Default)]
pub(super) struct Starved {
    next: Option<Instant>,
    watched: HashMap<BatchId, Watched>,
    /// Deliveries that the starved had their share of.
    shared: u64,
    turns: usize,
}

struct Watched {
    batch: Arc<StoredBatch>,
    looked: Instant,
    /// Since when none of these got its part by a message.
    unchanged: Instant,
    missing: HashSet<u64>,
}

impl Watched {
    fn is_starved(&self) -> bool {
        !self.missing.is_empty() && self.unchanged.elapsed() >= STARVED_AFTER * patience(&self.batch)
    }
}

impl Starved {
    /// Looks which batches make no progress, now and then. Only the first missing tasks of each are looked at: if none of
    /// them was done for long, the batch is starved or as good as.
    pub(super) async fn look(&mut self, handler: &Handler) -> Result<(), WorkError> {
        if self.next.is_some_and(|next| Instant::now() < next) {
            return Ok(());
        }
        self.next = Some(Instant::now() + jittered(EVERY));
        let marked = handler.batches.marked().await?;
        self.watched.retain(|id, _| marked.contains(id));
        for id in marked {
            match handler.batches.find(&id).await? {
                Known::Open(batch) => self.look_at(handler, id, batch).await?,
                Known::Deleted => handler.batches.unmark(&id).await?,
                Known::Over(_) | Known::Absent => drop(self.watched.remove(&id)),
            }
        }
        Ok(())
    }

    async fn look_at(&mut self, handler: &Handler, id: BatchId, batch: Arc<StoredBatch>) -> Result<(), WorkError> {
        let known = self.watched.get(&id);
        if known.is_some_and(|known| known.looked.elapsed() < patience(&batch)) {
            return Ok(());
        }
        let gap = handler.finishing.gap(&id).await;
        let missing: HashSet<u64> = batch.missing(gap, MOST_MISSING).await?.into_iter().collect();
        if missing.is_empty() {
            handler.finishing.touch(&batch).await;
        }
        let looked = Instant::now();
        let unchanged = match known {
            Some(known) if !was_served(&batch, known.missing.difference(&missing)).await? => known.unchanged,
            _ => looked,
        };
        self.watched.insert(id, Watched { batch, looked, unchanged, missing });
        Ok(())
    }

    /// A starved batch and its missing tasks, if it is the turn of one: they take turns, as often as the queue has brought
    /// nine messages since.
    pub(super) fn turn(&mut self, status: &ConsumerStatus) -> Option<(Arc<StoredBatch>, Vec<u64>)> {
        let deliveries = status.deliveries();
        let starved: Vec<_> = self.watched.values().filter(|watched| watched.is_starved()).collect();
        if starved.is_empty() {
            // Nobody is owed anything of the time before.
            self.shared = deliveries;
            return None;
        }
        if deliveries < self.shared + DELIVERIES_PER_TURN {
            return None;
        }
        self.shared += DELIVERIES_PER_TURN;
        self.turns += 1;
        let chosen = starved[self.turns % starved.len()];
        Some((Arc::clone(&chosen.batch), chosen.missing.iter().copied().collect()))
    }
}

/// Whether a message brought any of these tasks that were done since the last look. Those that somebody took without one
/// do not count: a batch that gets nothing else is as starved as before.
async fn was_served(batch: &StoredBatch, done: impl Iterator<Item = &u64>) -> Result<bool, BatchError> {
    for task in done.take(ASKED_FOR) {
        let note = batch.layout().note(&taken_note(*task))?;
        if batch.store().head(&note).await?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}
