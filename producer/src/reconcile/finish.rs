//! Finishing a batch whose parts are all there, as any worker would.

use std::collections::BTreeMap;

use batch::{Progress, StoredBatch};
use program::Failure;
use store::Created;

/// What came of an attempt to finish.
pub(super) enum Finished {
    /// Parts are missing.
    Not,
    /// By this call.
    Now,
    /// Another came first.
    Before,
}

/// Builds what can be built, and finishes the batch if nothing is missing. The report gets no thumbnails: only workers
/// look into images.
pub(super) async fn try_finish(batch: &StoredBatch) -> Result<Finished, Failure> {
    // Cheaper than asking each Parquet file.
    if !batch.missing(0, 1).await?.is_empty() {
        return Ok(Finished::Not);
    }
    let finisher = batch.finisher();
    match finisher.gather().await? {
        Progress::Missing(_) => Ok(Finished::Not),
        Progress::Complete(summary) => Ok(match finisher.publish(*summary, &BTreeMap::new()).await? {
            Created::Now => Finished::Now,
            Created::Before => Finished::Before,
        }),
    }
}
