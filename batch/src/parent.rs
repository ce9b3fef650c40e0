//! What a retry takes over from the batch that it retries.

use std::ops::Range;

use crate::error::BatchError;
use crate::layout::Layout;
use crate::manifest::Parent;
use crate::row::{Row, Status};
use crate::stored::StoredBatch;

impl Parent {
    /// Whether the image of this row is to be done again.
    pub fn redoes(&self, row: &Row) -> bool {
        row.status == Status::Error && row.error.as_ref().is_some_and(|error| self.codes.contains(&error.code))
    }
}

/// The rows that a batch takes over from its parent: none if it has no parent, or if that is gone.
pub struct ParentRows(Option<(Parent, StoredBatch)>);

impl ParentRows {
    /// Looks for the parent of `batch`. One that was deleted, or is not the batch that was retried, counts as gone.
    pub async fn of(batch: &StoredBatch) -> Result<Self, BatchError> {
        let Some(parent) = &batch.manifest.parent else { return Ok(Self(None)) };
        match StoredBatch::find(batch.store(), Layout::of(&parent.batch)).await {
            Ok(Some(stored)) if stored.digest == parent.manifest => Ok(Self(Some((parent.clone(), stored)))),
            Ok(_) | Err(BatchError::Deleted { .. } | BatchError::Manifest(_)) => {
                tracing::warn!(batch = %batch.manifest.batch, parent = %parent.batch, "the parent is gone: all images are done again");
                Ok(Self(None))
            }
            Err(error) => Err(error),
        }
    }

    /// One entry for each of `images`, which are those of task `task`: the parent's row, or nothing where the image is to
    /// be done. A part of the parent that is missing or damaged gives nothing.
    pub async fn rows(&self, task: u64, images: Range<u64>) -> Result<Vec<Option<Row>>, BatchError> {
        let nothing = || vec![None; (images.end - images.start) as usize];
        let Some((parent, stored)) = &self.0 else { return Ok(nothing()) };
        match stored.part(task).await {
            Ok((same, part)) if same == images => {
                Ok(part.rows.into_iter().map(|row| (!parent.redoes(&row)).then_some(row)).collect())
            }
            Ok(_) | Err(BatchError::Damaged { .. }) => {
                tracing::warn!(parent = %parent.batch, task, "a part of the parent is damaged: its images are done again");
                Ok(nothing())
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageRef;
    use crate::images::ImageListWriter;
    use crate::manifest::{Manifest, tests::manifest};
    use crate::part::Part;
    use crate::row::{ErrorCode, Label, Outcome};
    use store::Store;

    async fn batch(store: &Store, name: &str, parent: Option<Parent>) -> StoredBatch {
        let layout = Layout::of(&name.parse().unwrap());
        let mut writer = ImageListWriter::new(store, &layout);
        for at in 0..3 {
            writer.push(&ImageRef::new(format!("{at}.jpg"))).await.unwrap();
        }
        let images = writer.finish().await.unwrap();
        let manifest = Manifest { batch: name.parse().unwrap(), parent, images, ..manifest(0, 64) };
        StoredBatch::create(store, layout, &manifest).await.unwrap()
    }

    #[tokio::test]
    async fn rows_stay_but_for_the_chosen_codes_while_the_parent_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().to_str().unwrap()).await.unwrap();
        let first = batch(&store, "first", None).await;
        let top = vec![Label { label: "cat".into(), index: 0, score: 0.5 }];
        let outcomes = [
            Outcome { top, size: None, bytes: None, error: None },
            Outcome::failed(ErrorCode::FetchFailed, "no"),
            Outcome::failed(ErrorCode::Undecodable, "no"),
        ];
        let row = |(at, outcome): (usize, Outcome)| outcome.into_row(&ImageRef::new(format!("{at}.jpg")), "m@d");
        let rows: Vec<_> = outcomes.into_iter().enumerate().map(row).collect();
        let codes = vec![ErrorCode::FetchFailed];
        let parent = Parent { batch: first.manifest.batch.clone(), manifest: first.digest, codes };
        let retry = batch(&store, "second", Some(parent.clone())).await;
        // Its part is missing: a damaged parent.
        assert_eq!(ParentRows::of(&retry).await.unwrap().rows(0, 0..3).await.unwrap(), [None, None, None]);
        first.store_part(0, &Part { rows: rows.clone() }).await.unwrap();
        let kept = ParentRows::of(&retry).await.unwrap().rows(0, 0..3).await.unwrap();
        assert_eq!(kept, [Some(rows[0].clone()), None, Some(rows[2].clone())]);
        first.delete().await.unwrap();
        assert_eq!(ParentRows::of(&retry).await.unwrap().rows(0, 0..3).await.unwrap(), [None, None, None]);
    }
}
