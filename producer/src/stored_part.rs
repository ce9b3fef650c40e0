//! The part of a task as it lies in the store, before anyone trusts it.

use batch::{Part, Row, StoredBatch};
use program::Failure;

/// Largest part that is read, in bytes: as much as a finisher reads.
const LARGEST: u64 = 256 << 20;

/// What lies where the part of a task belongs.
pub enum StoredPart {
    /// Rows, not yet compared with the manifest.
    Rows(Vec<Row>),
    /// Something that holds no rows, and why.
    Damaged(String),
    /// Nothing yet.
    Missing,
}

impl StoredPart {
    /// Reads the part of `task`.
    pub async fn read(batch: &StoredBatch, task: u64) -> Result<Self, Failure> {
        match batch.store().get(&batch.layout().part(task)?, LARGEST).await {
            Ok(None) => Ok(Self::Missing),
            Ok(Some(text)) => {
                Ok(Part::decode(&text).map_or_else(|e| Self::Damaged(e.to_string()), |p| Self::Rows(p.rows)))
            }
            Err(error @ store::StoreError::TooLarge { .. }) => Ok(Self::Damaged(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}
