//! Finishing batches that this worker has touched: Parquet files, summary, report, `_SUCCESS`, marker.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use batch::{BatchId, Progress, Session, State, StoredBatch, Summary};
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::handler::{Handler, WorkError};
use crate::failpoint::{self, Step};
use crate::machine;
use crate::observe::metrics;

/// What is remembered of the batches that this worker has touched.
#[derive(Default)]
pub(super) struct Finishing(Mutex<HashMap<BatchId, Touched>>);

struct Touched {
    batch: Arc<StoredBatch>,
    /// Whether a part came since the last look.
    changed: bool,
    /// No task below this one is missing.
    gap: u64,
    /// Parquet files, from the first on, that are built.
    built: u64,
    /// Images that this process worked on.
    images: u64,
}

impl Finishing {
    /// Remembers that the batch may be complete.
    pub(super) async fn touch(&self, batch: &Arc<StoredBatch>) {
        self.count(batch, 0).await;
    }

    /// Remembers that a part of so many images was stored.
    pub(super) async fn count(&self, batch: &Arc<StoredBatch>, images: u64) {
        let mut touched = self.0.lock().await;
        let entry = touched.entry(batch.manifest.batch.clone());
        let entry =
            entry.or_insert_with(|| Touched { batch: Arc::clone(batch), changed: true, gap: 0, built: 0, images: 0 });
        entry.changed = true;
        entry.images += images;
    }

    async fn changed(&self) -> Vec<(Arc<StoredBatch>, u64)> {
        let mut touched = self.0.lock().await;
        let mut changed = Vec::new();
        for entry in touched.values_mut().filter(|entry| entry.changed) {
            entry.changed = false;
            changed.push((Arc::clone(&entry.batch), entry.gap));
        }
        changed
    }

    /// No task of the batch below this one is missing, as far as is known.
    pub(super) async fn gap(&self, batch: &BatchId) -> u64 {
        self.0.lock().await.get(batch).map_or(0, |entry| entry.gap)
    }

    /// Parquet files from the first on that are known to be built.
    async fn built(&self, batch: &BatchId) -> u64 {
        self.0.lock().await.get(batch).map_or(0, |entry| entry.built)
    }

    async fn remember_built(&self, batch: &BatchId, built: u64) {
        if let Some(entry) = self.0.lock().await.get_mut(batch) {
            entry.built = entry.built.max(built);
        }
    }

    /// No task of the batch below this one is missing.
    pub(super) async fn remember_gap(&self, batch: &BatchId, gap: u64) {
        if let Some(entry) = self.0.lock().await.get_mut(batch) {
            entry.gap = entry.gap.max(gap);
        }
    }

    async fn forget_gap(&self, batch: &BatchId) {
        if let Some(entry) = self.0.lock().await.get_mut(batch) {
            entry.gap = 0;
        }
    }

    async fn images(&self, batch: &StoredBatch) -> u64 {
        self.0.lock().await.get(&batch.manifest.batch).map_or(0, |entry| entry.images)
    }

    async fn forget(&self, batch: &StoredBatch) {
        self.0.lock().await.remove(&batch.manifest.batch);
    }
}

impl Handler {
    /// Finishes every touched batch whose parts are all there, and of the others what can be built already.
    pub(super) async fn finish_touched(&self) -> Result<(), WorkError> {
        for (batch, gap) in self.finishing.changed().await {
            match batch.missing(gap, 1).await?.first() {
                Some(task) => {
                    self.finishing.remember_gap(&batch.manifest.batch, *task).await;
                    self.build_ahead(&batch, *task).await?;
                }
                None => self.finish(&batch).await?,
            }
        }
        Ok(())
    }

    /// Builds the Parquet files whose rows all lie below `task`, so that a large batch is not built at its end only.
    async fn build_ahead(&self, batch: &StoredBatch, task: u64) -> Result<(), WorkError> {
        let id = &batch.manifest.batch;
        let finisher = batch.finisher();
        for file in self.finishing.built(id).await..finisher.files_before(task) {
            finisher.build_results(file).await?;
            self.finishing.remember_built(id, file + 1).await;
        }
        Ok(())
    }

    async fn finish(&self, batch: &Arc<StoredBatch>) -> Result<(), WorkError> {
        // Finished by another, or cancelled a moment ago: it stays as it is.
        if batch.state().await? != State::Open {
            batch.close_marker().await?;
            self.forget(batch).await;
            return Ok(());
        }
        failpoint::pass(Step::BeforeGather);
        let finisher = batch.finisher();
        if let Progress::Complete(summary) = finisher.gather().await? {
            failpoint::pass(Step::AfterGather);
            let thumbnails = self.thumbnails(batch, &summary).await?;
            batch.note(&self.session(self.finishing.images(batch).await)).await?;
            finisher.publish(*summary, &thumbnails).await?;
            failpoint::pass(Step::AfterSuccess);
            batch.close_marker().await?;
            metrics().finished_batches.increment();
            tracing::info!(batch = %batch.manifest.batch, "finished");
            self.forget(batch).await;
        } else {
            // A part that was there is gone: look from the start again.
            self.finishing.forget_gap(&batch.manifest.batch).await;
        }
        Ok(())
    }

    async fn forget(&self, batch: &StoredBatch) {
        self.finishing.forget(batch).await;
        self.batches.ended(&batch.manifest.batch).await;
    }

    async fn thumbnails(&self, batch: &StoredBatch, summary: &Summary) -> Result<BTreeMap<u64, Vec<u8>>, WorkError> {
        let mut thumbnails = BTreeMap::new();
        // A report without pictures is better than none.
        let Ok(worker) = self.engine(batch).await else { return Ok(thumbnails) };
        for index in summary.least_certain.iter().map(|image| image.index) {
            for image in batch.images.read(index..index + 1).await? {
                thumbnails.insert(index, worker.thumbnail(&image).await);
            }
        }
        thumbnails.retain(|_, jpeg| !jpeg.is_empty());
        Ok(thumbnails)
    }

    /// What this process did so far, for `run.json`.
    fn session(&self, images: u64) -> Session {
        Session {
            host: machine::host(),
            version: env!("CARGO_PKG_VERSION").into(),
            threads: self.threads,
            started: self.started,
            finished: Timestamp::now(),
            images,
            cpu_seconds: machine::cpu_seconds(),
        }
    }
}
