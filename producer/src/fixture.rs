//! Batches for unit tests: in a temporary folder, worked off without a worker.

use std::collections::BTreeMap;

use batch::{
    BatchId, ErrorCode, ImageFile, ImageListWriter, ImageRef, Label, Layout, Manifest, ModelRef, Outcome, Part,
    Progress, Row, Settings, StoredBatch, TruncationPolicy,
};
use models::Digest;
use store::{Key, Store};

/// Images of a task.
pub const TASK: u64 = 10;

/// A store with one batch, `test`.
pub struct Fixture {
    folder: tempfile::TempDir,
    /// The store.
    pub store: Store,
    /// The batch.
    pub batch: StoredBatch,
}

impl Fixture {
    /// A batch of `count` images without any part.
    pub async fn new(count: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).await.unwrap();
        let id: BatchId = "test".parse().unwrap();
        let layout = Layout::of(&id);
        let mut writer = ImageListWriter::new(&store, &layout);
        for at in 0..count {
            writer.push(&image(at)).await.unwrap();
        }
        let manifest = manifest(writer.finish().await.unwrap());
        let batch = StoredBatch::create(&store, layout, &manifest).await.unwrap();
        Self { folder, store, batch }
    }

    /// Stores the part of `task`.
    pub async fn work(&self, task: u64) {
        let rows = self.batch.manifest.task_images(task).map(row).collect();
        self.batch.store_part(task, &Part { rows }).await.unwrap();
    }

    /// Stores every part that is missing, and finishes the batch.
    pub async fn finish(&self) {
        for task in self.batch.missing(0, usize::MAX).await.unwrap() {
            self.work(task).await;
        }
        let Progress::Complete(summary) = self.batch.finisher().gather().await.unwrap() else {
            panic!("parts missing")
        };
        self.batch.finisher().publish(*summary, &BTreeMap::new()).await.unwrap();
    }

    /// Changes the text of an object of the batch, as nobody should.
    pub fn tamper(&self, key: &Key, change: impl FnOnce(String) -> String) {
        let path = self.folder.path().join(key.as_str());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, change(text)).unwrap();
    }
}

/// The manifest of batch `test` with these image files.
pub fn manifest(images: Vec<ImageFile>) -> Manifest {
    Manifest {
        version: Manifest::VERSION,
        batch: "test".parse().unwrap(),
        arguments: vec!["photos".into()],
        task_size: TASK as u32,
        settings: Settings {
            model: ModelRef { uri: "builtin".into(), digest: Digest::of(b""), id: "m@d".into() },
            top_k: 5,
            max_bytes: 1 << 20,
            max_pixels: 1 << 20,
            on_truncated: TruncationPolicy::Error,
            image_timeout_s: 10,
            task_timeout_s: 120,
        },
        queue: Some("images".parse().unwrap()),
        parent: None,
        etl: None,
        images,
    }
}

/// The image at `at`.
pub fn image(at: u64) -> ImageRef {
    ImageRef { id: Some(at.to_string()), ..ImageRef::new(format!("s3://b/{at}.jpg")) }
}

/// Its row: every fifth image failed.
pub fn row(at: u64) -> Row {
    let outcome = match at % 5 {
        0 => Outcome::failed(ErrorCode::Undecodable, "no"),
        _ => {
            let top = vec![Label { label: "cat".into(), index: 3, score: 0.75 }];
            Outcome { top, size: Some((2, 3)), bytes: Some(9), error: None }
        }
    };
    outcome.into_row(&image(at), "m@d")
}
