//! The batches that this worker has met, opened once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use batch::{BatchError, BatchId, Layout, QueueName, State, StoredBatch};
use store::Store;
use tokio::sync::Mutex;

/// How long a state is believed: a cancelled batch is worked on at most this much longer.
const STATE_IS_FRESH: Duration = Duration::from_secs(5);
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
}

impl Batches {
    pub(super) fn new(store: Store, queue: QueueName) -> Self {
        Self { store, queue, open: Mutex::default() }
    }

    /// The batch with this id, as fresh as a few seconds.
    pub(super) async fn find(&self, id: &BatchId) -> Result<Known, BatchError> {
        let mut open = self.open.lock().await;
        if let Some((batch, checked)) = open.get(id)
            && checked.elapsed() < STATE_IS_FRESH
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
