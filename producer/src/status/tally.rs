//! Counts over the parts of a batch, kept up to date by reading each part once. Where a Parquet file is complete, its
//! partial summary stands for its parts.

use std::collections::BTreeMap;

use batch::{ErrorCode, IMAGES_PER_FILE, Row, Status, StoredBatch};
use futures::{StreamExt, stream};
use program::Failure;
use serde::Serialize;

use crate::stored_part::StoredPart;

/// Parts read at a time.
const AT_ONCE: usize = 16;

/// Rows by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Rows {
    pub(super) ok: u64,
    pub(super) failed: u64,
    pub(super) errors: BTreeMap<ErrorCode, u64>,
}

impl Rows {
    fn add(&mut self, row: &Row) {
        match (row.status, &row.error) {
            (Status::Ok, _) => self.ok += 1,
            (Status::Error, error) => {
                self.failed += 1;
                if let Some(error) = error {
                    *self.errors.entry(error.code).or_default() += 1;
                }
            }
        }
    }
}

/// What is known of the parts of a batch.
pub(super) struct Tally<'a> {
    batch: &'a StoredBatch,
    seen: Seen,
    images: u64,
    /// Absent if rows are not to be read.
    rows: Option<Rows>,
    /// Whether a Parquet file's summary is in `rows`.
    summed: Vec<bool>,
    damaged: u64,
}

impl<'a> Tally<'a> {
    /// Nothing is known yet but what complete Parquet files say.
    pub(super) async fn new(batch: &'a StoredBatch, read_rows: bool) -> Result<Self, Failure> {
        let finisher = batch.finisher();
        let mut summed = vec![false; finisher.file_count() as usize];
        let mut rows = Rows::default();
        for (file, summed) in (0..).zip(&mut summed).filter(|_| read_rows) {
            if batch.store().head(&batch.layout().results(file)?).await?.is_some() {
                let summary = finisher.partial_summary(file).await?;
                rows.ok += summary.ok;
                rows.failed += summary.failed;
                for (code, count) in summary.errors {
                    *rows.errors.entry(code).or_default() += count;
                }
                *summed = true;
            }
        }
        let rows = read_rows.then_some(rows);
        Ok(Self { batch, seen: Seen::new(batch.manifest.task_count()), images: 0, rows, summed, damaged: 0 })
    }

    /// Takes in the parts that are new since the last time.
    pub(super) async fn update(&mut self) -> Result<(), Failure> {
        let layout = self.batch.layout();
        let after = self.seen.first_gap().checked_sub(1).map(|task| layout.part(task)).transpose()?;
        let mut listing = self.batch.store().list(&layout.parts(), after.as_ref().map(|key| key.as_str()));
        while let Some(page) = listing.page().await? {
            let new: Vec<_> = page.iter().filter_map(|key| layout.task_of_part(key.as_str())).collect();
            let new: Vec<_> = new.into_iter().filter(|task| self.seen.insert(*task)).collect();
            self.read(&new).await?;
        }
        Ok(())
    }

    /// Tasks that have a part.
    pub(super) fn tasks(&self) -> u64 {
        self.seen.len()
    }

    /// Images of those tasks.
    pub(super) fn images(&self) -> u64 {
        self.images
    }

    /// Their rows by outcome, if they are read.
    pub(super) fn rows(&self) -> Option<&Rows> {
        self.rows.as_ref()
    }

    /// Parts that hold no rows.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    async fn read(&mut self, tasks: &[u64]) -> Result<(), Failure> {
        let batch = self.batch;
        for task in tasks {
            let images = batch.manifest.task_images(*task);
            self.images += images.end - images.start;
        }
        let Some(rows) = &mut self.rows else { return Ok(()) };
        let is_summed = |index: u64| self.summed.get((index / IMAGES_PER_FILE) as usize).is_some_and(|summed| *summed);
        let unread = tasks.iter().copied().filter(|task| {
            let images = batch.manifest.task_images(*task);
            images.start < images.end && !(is_summed(images.start) && is_summed(images.end - 1))
        });
        let mut parts = stream::iter(unread)
            .map(|task| async move { (task, StoredPart::read(batch, task).await) })
            .buffer_unordered(AT_ONCE);
        while let Some((task, part)) = parts.next().await {
            match part? {
                StoredPart::Rows(found) => {
                    let images = batch.manifest.task_images(task);
                    images.zip(&found).filter(|(index, _)| !is_summed(*index)).for_each(|(_, row)| rows.add(row));
                }
                StoredPart::Damaged(_) => self.damaged += 1,
                // Removed since it was listed: the batch is being deleted.
                StoredPart::Missing => {}
            }
        }
        Ok(())
    }
}

/// A set of tasks that knows its first gap.
struct Seen {
    words: Vec<u64>,
    tasks: u64,
    count: u64,
    first_gap: u64,
}

impl Seen {
    fn new(tasks: u64) -> Self {
        Self { words: vec![0; tasks.div_ceil(64) as usize], tasks, count: 0, first_gap: 0 }
    }

    /// How many there are.
    fn len(&self) -> u64 {
        self.count
    }

    /// Whether `task` belongs to the batch and is new.
    fn insert(&mut self, task: u64) -> bool {
        if task >= self.tasks || self.has(task) {
            return false;
        }
        self.words[(task / 64) as usize] |= 1 << (task % 64);
        self.count += 1;
        while self.first_gap < self.tasks && self.has(self.first_gap) {
            self.first_gap += 1;
        }
        true
    }

    fn has(&self, task: u64) -> bool {
        self.words[(task / 64) as usize] & (1 << (task % 64)) != 0
    }

    fn first_gap(&self) -> u64 {
        self.first_gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_gap_moves_over_what_was_seen_before() {
        let mut seen = Seen::new(130);
        for (task, new, gap) in [(1, true, 0), (130, false, 0), (0, true, 2), (0, false, 2), (129, true, 2)] {
            assert_eq!((seen.insert(task), seen.first_gap()), (new, gap), "{task}");
        }
        (2..129).for_each(|task| assert!(seen.insert(task)));
        assert_eq!((seen.len(), seen.first_gap()), (130, 130));
    }

    #[tokio::test]
    async fn each_part_is_read_once_and_a_parquet_file_stands_for_its_parts() {
        let fixture = crate::fixture::Fixture::new(25).await;
        let mut tally = Tally::new(&fixture.batch, true).await.unwrap();
        fixture.work(2).await;
        tally.update().await.unwrap();
        assert_eq!((tally.tasks(), tally.images()), (1, 5));
        fixture.work(0).await;
        // What was counted before may vanish: it is not read again.
        fixture.store.delete(&fixture.batch.layout().part(2).unwrap()).await.unwrap();
        tally.update().await.unwrap();
        tally.update().await.unwrap();
        let expected = Rows { ok: 12, failed: 3, errors: [(ErrorCode::Undecodable, 3)].into() };
        assert_eq!((tally.images(), tally.rows()), (15, Some(&expected)));
        fixture.finish().await;
        fixture.tamper(&fixture.batch.layout().part(0).unwrap(), |_| "damaged".into());
        let mut later = Tally::new(&fixture.batch, true).await.unwrap();
        later.update().await.unwrap();
        let expected = Rows { ok: 20, failed: 5, errors: [(ErrorCode::Undecodable, 5)].into() };
        assert_eq!((later.tasks(), later.rows(), later.damaged()), (3, Some(&expected), 0));
    }
}
