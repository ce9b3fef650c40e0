//! Finishing: Parquet files from parts, then summary, run notes, report and `_SUCCESS`. Deterministic and shared: any
//! number of finishers may work at once, each object is created by whoever comes first.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use futures::{StreamExt, stream};
use models::Digest;
use parquet::file::metadata::ParquetMetaDataReader;
use serde::{Deserialize, Serialize};
use store::{Created, Key, Store};

use crate::error::BatchError;
use crate::images::{IMAGES_PER_FILE, ImageList};
use crate::layout::Layout;
use crate::manifest::{Manifest, ModelRef};
use crate::missing::missing_tasks;
use crate::parquet::{RowWriter, SUMMARY_KEY};
use crate::part::Part;
use crate::report::{Report, render};
use crate::run::{RunNotes, Session};
use crate::summary::Summary;

/// Parts read ahead while a Parquet file is written.
const PARTS_AHEAD: usize = 16;
/// Largest part that is read: 64 rows have a few tens of kilobytes, the largest tasks a few megabytes.
const LARGEST_PART: u64 = 256 << 20;
/// Largest note of a session that is read.
const LARGEST_NOTE: u64 = 64 << 10;
/// Most sessions that run.json lists.
const MOST_SESSIONS: usize = 10_000;

/// Finishes one batch.
pub struct Finisher<'a> {
    store: &'a Store,
    layout: &'a Layout,
    manifest: &'a Manifest,
    manifest_digest: Digest,
    images: &'a ImageList,
}

/// How far a batch is.
#[derive(Debug)]
pub enum Progress {
    /// These tasks have no part yet (the first few of them).
    Missing(Vec<u64>),
    /// All rows are in Parquet files.
    Complete(Box<Summary>),
}

/// The contents of `summary.json`.
#[derive(Debug, Serialize, Deserialize)]
struct SummaryFile {
    batch: String,
    manifest: Digest,
    model: ModelRef,
    results: Vec<String>,
    #[serde(flatten)]
    summary: Summary,
}

impl<'a> Finisher<'a> {
    /// A finisher of the batch whose `manifest` (with that digest) lies under `layout` in `store`.
    pub fn new(
        store: &'a Store,
        layout: &'a Layout,
        manifest: &'a Manifest,
        manifest_digest: Digest,
        images: &'a ImageList,
    ) -> Self {
        Self { store, layout, manifest, manifest_digest, images }
    }

    /// Number of Parquet files; an empty batch has one too, so that readers find a schema.
    pub fn file_count(&self) -> u64 {
        self.manifest.image_count().div_ceil(IMAGES_PER_FILE).max(1)
    }

    /// Number of Parquet files, from the first on, whose rows all lie in tasks below `task`.
    pub fn files_before(&self, task: u64) -> u64 {
        let rows = task.saturating_mul(self.manifest.task_size.into());
        if rows >= self.manifest.image_count() { self.file_count() } else { rows / IMAGES_PER_FILE }
    }

    /// Builds every Parquet file that is missing and whose parts are all there, and sums up if none is left out.
    pub async fn gather(&self) -> Result<Progress, BatchError> {
        let mut missing = Vec::new();
        // Several finishers share the files of a large batch, since each begins with another one.
        let first = RandomState::new().hash_one(()) % self.file_count();
        for file in (first..self.file_count()).chain(0..first) {
            missing.extend(self.build_results(file).await?);
        }
        if !missing.is_empty() {
            return Ok(Progress::Missing(missing));
        }
        let mut summary = Summary::default();
        for file in 0..self.file_count() {
            summary.merge(self.partial_summary(file).await?);
        }
        Ok(Progress::Complete(Box::new(summary)))
    }

    /// Builds the `file`-th Parquet file unless it is there; gives the first few missing tasks if it cannot.
    pub async fn build_results(&self, file: u64) -> Result<Vec<u64>, BatchError> {
        let key = self.layout.results(file)?;
        if self.store.head(&key).await?.is_some() {
            return Ok(Vec::new());
        }
        let rows = self.rows_of(file);
        let task_size = u64::from(self.manifest.task_size);
        let tasks = rows.start / task_size..rows.end.div_ceil(task_size);
        let missing = missing_tasks(self.store, self.layout, tasks.clone(), 10).await?;
        if missing.is_empty() {
            self.write_results(&key, rows, tasks).await?;
        }
        Ok(missing)
    }

    fn rows_of(&self, file: u64) -> Range<u64> {
        let count = self.manifest.image_count();
        (file * IMAGES_PER_FILE).min(count)..((file + 1) * IMAGES_PER_FILE).min(count)
    }

    async fn write_results(&self, key: &Key, rows: Range<u64>, tasks: Range<u64>) -> Result<(), BatchError> {
        let failed = BatchError::local("encoding Parquet");
        let mut file = RowWriter::new(rows.start).map_err(|error| failed(&error))?;
        let mut writer = self.store.create_stream(key).await?;
        let mut parts = stream::iter(tasks).map(|task| self.part(task)).buffered(PARTS_AHEAD);
        while let Some(part) = parts.next().await {
            let (images, part) = part?;
            // A task may reach across the border of two files.
            for (index, row) in images.zip(part.rows).filter(|(index, _)| rows.contains(index)) {
                debug_assert!(index < rows.end);
                file.push(row).map_err(|error| failed(&error))?;
            }
            let bytes = file.take();
            if !bytes.is_empty() {
                writer.write(bytes.into()).await?;
            }
        }
        writer.write(file.finish().map_err(|error| failed(&error))?.into()).await?;
        writer.finish().await?;
        Ok(())
    }

    /// The stored part of a task, checked against the manifest.
    pub async fn part(&self, task: u64) -> Result<(Range<u64>, Part), BatchError> {
        let key = self.layout.part(task)?;
        let range = self.manifest.task_images(task);
        let images = self.images.read(range.clone()).await?;
        let text = self.store.get(&key, LARGEST_PART).await?;
        let text = text.ok_or_else(|| BatchError::damaged(&key, "it is missing"))?;
        let part = Part::decode(&text).map_err(|error| BatchError::damaged(&key, error))?;
        part.check(&images).map_err(|error| BatchError::damaged(&key, error))?;
        Ok((range, part))
    }

    /// Reads the partial summary from the end of the `file`-th Parquet file, which must be there.
    pub async fn partial_summary(&self, file: u64) -> Result<Summary, BatchError> {
        const TAIL: u64 = 8;
        let key = self.layout.results(file)?;
        let damaged = |reason: &dyn std::fmt::Display| BatchError::damaged(&key, reason);
        let size = self.store.head(&key).await?.ok_or_else(|| damaged(&"it is missing"))?.size;
        let range = async |from: u64, to: u64| -> Result<bytes::Bytes, BatchError> {
            self.store.get_range(&key, from..to).await?.ok_or_else(|| damaged(&"it is missing"))
        };
        let tail = range(size.saturating_sub(TAIL), size).await?;
        let length = tail.first_chunk::<4>().map(|bytes| u64::from(u32::from_le_bytes(*bytes)));
        let footer = length.filter(|length| length + TAIL <= size && tail.ends_with(b"PAR1"));
        let footer = footer.ok_or_else(|| damaged(&"it is no Parquet file"))?;
        let footer = range(size - TAIL - footer, size - TAIL).await?;
        let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(|error| damaged(&error))?;
        let entries = metadata.file_metadata().key_value_metadata().into_iter().flatten();
        let summary = entries.filter(|entry| entry.key == SUMMARY_KEY).find_map(|entry| entry.value.as_deref());
        let summary = summary.ok_or_else(|| damaged(&"it has no pixelmill.summary"))?;
        serde_json::from_str(summary).map_err(|error| damaged(&error))
    }

    /// Publishes what `gather` found: summary, run notes, report, then `_SUCCESS`. `thumbnails` are JPEG files by the
    /// index of the image in the batch. Says whether this call finished the batch or another one had before.
    pub async fn publish(&self, summary: Summary, thumbnails: &BTreeMap<u64, Vec<u8>>) -> Result<Created, BatchError> {
        let notes = self.run_notes().await?;
        let report = render(&Report {
            manifest: self.manifest,
            manifest_digest: self.manifest_digest,
            summary: &summary,
            notes: &notes,
            thumbnails,
            cancelled: false,
        });
        let file = SummaryFile {
            batch: self.manifest.batch.to_string(),
            manifest: self.manifest_digest,
            model: self.manifest.settings.model.clone(),
            results: (0..self.file_count()).map(|file| format!("results-{file:05}.parquet")).collect(),
            summary,
        };
        self.create_json(&self.layout.summary()?, &file).await?;
        self.create_json(&self.layout.run()?, &notes).await?;
        self.store.create(&self.layout.report()?, report.into()).await?;
        let success = format!("{}\n", self.manifest_digest);
        Ok(self.store.create(&self.layout.success()?, success.into()).await?)
    }

    async fn create_json(&self, key: &Key, value: &impl Serialize) -> Result<(), BatchError> {
        let failed = BatchError::local("encoding JSON");
        let mut text = serde_json::to_vec_pretty(value).map_err(|error| failed(&error))?;
        text.push(b'\n');
        self.store.create(key, text.into()).await?;
        Ok(())
    }

    /// What the sessions noted; a note that cannot be read is left out, since rows never depend on it.
    async fn run_notes(&self) -> Result<RunNotes, BatchError> {
        let mut sessions = Vec::new();
        let prefix = format!("{}run-", self.layout.aside());
        let mut listing = self.store.list(&prefix, None);
        while let Some(page) = listing.page().await? {
            for key in page {
                let note = self.store.get(&key, LARGEST_NOTE).await?;
                sessions.extend(note.and_then(|note| serde_json::from_slice::<Session>(&note).ok()));
            }
            if sessions.len() >= MOST_SESSIONS {
                break;
            }
        }
        sessions.sort_by_key(|session| session.started);
        Ok(RunNotes { sessions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageRef;
    use crate::images::ImageListWriter;
    use crate::manifest::tests::manifest;
    use crate::row::{ErrorCode, Label, Outcome};

    fn outcome(at: u64) -> Outcome {
        match at % 5 {
            0 => Outcome::failed(ErrorCode::NotFound, "gone"),
            _ => {
                let top = vec![Label { label: "cat".into(), index: 3, score: 0.25 }];
                Outcome { top, size: Some((2, 2)), bytes: Some(1), error: None }
            }
        }
    }

    struct Fixture {
        _dir: tempfile::TempDir,
        store: Store,
        layout: Layout,
        manifest: Manifest,
    }

    impl Fixture {
        async fn new(count: u64) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path().to_str().unwrap()).await.unwrap();
            let layout = Layout::of(&"test".parse().unwrap());
            let mut writer = ImageListWriter::new(&store, &layout);
            for at in 0..count {
                writer.push(&ImageRef::new(format!("{at}.jpg"))).await.unwrap();
            }
            let images = writer.finish().await.unwrap();
            Self { _dir: dir, store, layout, manifest: Manifest { images, ..manifest(0, 10) } }
        }

        async fn store_part(&self, task: u64) {
            let rows = self.manifest.task_images(task);
            let rows = rows.map(|at| outcome(at).into_row(&ImageRef::new(format!("{at}.jpg")), "m@d")).collect();
            let part = Part { rows }.encode().unwrap();
            self.store.create(&self.layout.part(task).unwrap(), part).await.unwrap();
        }

        async fn finish(&self) -> Result<Option<Created>, BatchError> {
            let images = ImageList::new(self.store.clone(), self.layout.clone(), &self.manifest);
            let finisher = Finisher::new(&self.store, &self.layout, &self.manifest, Digest::of(b""), &images);
            match finisher.gather().await? {
                Progress::Missing(_) => Ok(None),
                Progress::Complete(summary) => {
                    assert_eq!(summary.images, self.manifest.image_count());
                    finisher.publish(*summary, &BTreeMap::new()).await.map(Some)
                }
            }
        }
    }

    #[tokio::test]
    async fn a_batch_is_finished_once_all_parts_are_there() {
        let batch = Fixture::new(25).await;
        batch.store_part(0).await;
        batch.store_part(2).await;
        assert_eq!(batch.finish().await.unwrap(), None);
        batch.store_part(1).await;
        assert_eq!(batch.finish().await.unwrap(), Some(Created::Now));
        assert_eq!(batch.finish().await.unwrap(), Some(Created::Before));
        for key in ["summary.json", "run.json", "report.html", "_SUCCESS", "results-00000.parquet"] {
            let key = Key::new(format!("batches/test/{key}")).unwrap();
            assert!(batch.store.head(&key).await.unwrap().is_some(), "{key}");
        }
    }

    #[tokio::test]
    async fn a_file_can_be_built_before_the_parts_behind_it_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().to_str().unwrap()).await.unwrap();
        let layout = Layout::of(&"test".parse().unwrap());
        let files_before = |count: u64, task_size: u32, task: u64| {
            let manifest = manifest(count, task_size);
            let images = ImageList::new(store.clone(), layout.clone(), &manifest);
            Finisher::new(&store, &layout, &manifest, Digest::of(b""), &images).files_before(task)
        };
        assert_eq!([0, 1, 99_999, 100_000, 199_999].map(|task| files_before(2_500_000, 10, task)), [0, 0, 0, 1, 1]);
        assert_eq!([200_000, 249_999, 250_000].map(|task| files_before(2_500_000, 10, task)), [2, 2, 3]);
        // Task 15,624 has the last 64 of the first million rows when 64 divides it; with 63 it reaches across the border.
        assert_eq!([15_624, 15_625].map(|task| files_before(1_000_001, 64, task)), [0, 1]);
        assert_eq!([15_873, 15_874, 15_875].map(|task| files_before(1_000_063, 63, task)), [0, 1, 2]);
        assert_eq!(files_before(0, 64, 0), 1);
    }

    #[tokio::test]
    async fn an_empty_batch_finishes_with_an_empty_file() {
        assert_eq!(Fixture::new(0).await.finish().await.unwrap(), Some(Created::Now));
    }

    #[tokio::test]
    async fn a_part_with_foreign_rows_is_damaged() {
        let batch = Fixture::new(10).await;
        let rows = (0..10).map(|_| outcome(0).into_row(&ImageRef::new("other.jpg"), "m@d")).collect();
        let key = batch.layout.part(0).unwrap();
        batch.store.create(&key, Part { rows }.encode().unwrap()).await.unwrap();
        assert!(matches!(batch.finish().await, Err(BatchError::Damaged { .. })));
    }
}
