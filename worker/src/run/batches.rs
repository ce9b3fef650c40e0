//! The batches that this worker has met, opened once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use batch::{BatchError, BatchId, Layout, QueueName, State, StoredBatch};
use store::Store;
use tokio::sync::{Mutex, Notify};

/// How long a state is believed at most: a cancelled batch is worked on at most this much longer.
pub(super) const STATE_IS_FRESH: Duration = Duration::from_secs(5);
/// Batches kept open; a worker of a busy queue meets few at a time.
const MOST_OPEN: usize = 64;

/// What a batch turned out to be.
#[derive(Clone)]
pub(super) enum Known {
    /// It can be worked on.
    Open(Arc<StoredBatch>),
    /// Finished, cancelled or deleted: its messages are dropped.
    Over(State),
    /// Its manifest was overwritten by a tombstone.
    Deleted,
    /// There is no such batch.
    Absent,
}

/// Opens batches and remembers them.
pub(super) struct Batches {
    store: Store,
    queue: QueueName,
    open: Mutex<HashMap<BatchId, (Arc<StoredBatch>, Instant)>>,
    over: Notify,
}

impl Batches {
    pub(super) fn new(store: Store, queue: QueueName) -> Self {
        Self { store, queue, open: Mutex::default(), over: Notify::new() }
    }

    /// The batch with this id, as fresh as a few seconds.
    pub(super) async fn find(&self, id: &BatchId) -> Result<Known, BatchError> {
        self.find_within(id, STATE_IS_FRESH).await
    }

    /// The batch with this id; what was seen longer ago than `age` is not believed.
    pub(super) async fn find_within(&self, id: &BatchId, age: Duration) -> Result<Known, BatchError> {
        let mut open = self.open.lock().await;
        if let Some((batch, checked)) = open.get(id)
            && checked.elapsed() < age
        {
            return Ok(Known::Open(Arc::clone(batch)));
        }
        let batch = match StoredBatch::find(&self.store, Layout::of(id)).await {
            Err(BatchError::Deleted { .. }) => {
                open.remove(id);
                return Ok(Known::Deleted);
            }
            Ok(None) => return Ok(Known::Absent),
            other => other?,
        };
        let Some(batch) = batch else { return Ok(Known::Absent) };
        match batch.state().await? {
            State::Open => {
                // The opened one keeps the image blocks that it has read.
                let kept = open.remove(id).map(|(kept, _)| kept).filter(|kept| kept.digest == batch.digest);
                let batch = kept.unwrap_or_else(|| Arc::new(batch));
                if open.len() >= MOST_OPEN {
                    open.clear();
                }
                open.insert(id.clone(), (Arc::clone(&batch), Instant::now()));
                Ok(Known::Open(batch))
            }
            state => {
                open.remove(id);
                batch.close_marker().await?;
                Ok(Known::Over(state))
            }
        }
    }

    /// This worker saw the end of a batch; what was believed of it is forgotten.
    pub(super) async fn ended(&self, id: &BatchId) {
        self.open.lock().await.remove(id);
        self.over.notify_one();
    }

    /// Waits until this worker sees the end of a batch.
    pub(super) async fn next_end(&self) {
        self.over.notified().await;
    }

    /// The ids of the batches of this worker's queue that have a marker.
    pub(super) async fn marked(&self) -> Result<Vec<BatchId>, BatchError> {
        let prefix = Layout::markers(&self.queue);
        let mut listing = self.store.list(&prefix, None);
        let mut ids = Vec::new();
        while let Some(page) = listing.page().await? {
            ids.extend(page.iter().filter_map(|key| key.as_str().strip_prefix(&prefix)?.parse().ok()));
        }
        Ok(ids)
    }

    /// Takes away the marker of a batch that is deleted.
    pub(super) async fn unmark(&self, id: &BatchId) -> Result<(), BatchError> {
        Ok(self.store.delete(&Layout::marker(&self.queue, id)?).await?)
    }

    pub(super) fn queue(&self) -> &QueueName {
        &self.queue
    }
}
