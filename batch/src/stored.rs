//! A batch in its store: made once, opened by anyone, in one of a few states.

use futures::{StreamExt, TryStreamExt, stream};
use models::Digest;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use store::{Key, Store};

use crate::error::BatchError;
use crate::finish::Finisher;
use crate::images::ImageList;
use crate::layout::Layout;
use crate::manifest::Manifest;
use crate::missing::missing_tasks;
use crate::part::Part;
use crate::row::Outcome;
use crate::run::Session;

/// Objects of a deleted batch removed at a time.
const REMOVALS: usize = 16;
/// Largest manifest that is read: 100 million images have a quarter of a megabyte of offsets.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// Largest note of an outcome: 1,000 labels have less.
const LARGEST_OUTCOME: u64 = 1 << 20;

/// A batch whose manifest is stored: it exists, and never changes.
pub struct StoredBatch {
    /// The manifest.
    pub manifest: Manifest,
    /// SHA-256 of `manifest.json`.
    pub digest: Digest,
    /// Its images.
    pub images: ImageList,
    store: Store,
    layout: Layout,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// There is work to do, or results to be gathered.
    Open,
    /// `_SUCCESS` is there.
    Finished,
    /// `_CANCELLED` is there, and no `_SUCCESS`.
    Cancelled,
}

/// What takes the place of a deleted batch's manifest, so that its id stays refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tombstone {
    deleted: bool,
    /// The digest of the manifest that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<Digest>,
}

impl StoredBatch {
    /// The batch under `layout`; none if there is no manifest, [`BatchError::Deleted`] if there is a tombstone.
    pub async fn find(store: &Store, layout: Layout) -> Result<Option<Self>, BatchError> {
        let key = layout.manifest()?;
        let Some(text) = store.get(&key, LARGEST_MANIFEST).await? else { return Ok(None) };
        if let Ok(tombstone) = serde_json::from_slice::<Tombstone>(&text) {
            return Err(BatchError::Deleted { batch: key.to_string(), manifest: tombstone.manifest });
        }
        let manifest = Manifest::decode(&text)?;
        let images = ImageList::new(store.clone(), layout.clone(), &manifest);
        Ok(Some(Self { manifest, digest: Digest::of(&text), images, store: store.clone(), layout }))
    }

    /// Stores `manifest` if there is none yet. Whoever comes second goes on from the stored one, if it is the same
    /// request ([`BatchError::Other`] otherwise).
    pub async fn create(store: &Store, layout: Layout, manifest: &Manifest) -> Result<Self, BatchError> {
        let failed = BatchError::local("encoding the manifest");
        let key = layout.manifest()?;
        let text = manifest.encode().map_err(|error| failed(&error))?;
        store.create(&key, text.into()).await?;
        let stored = Self::find(store, layout).await?;
        let stored = stored.ok_or_else(|| BatchError::damaged(&key, "it has just been removed"))?;
        stored.expect(manifest)?;
        Ok(stored)
    }

    /// Checks that this is the batch that `request` asks for, whatever was listed then and is listed now.
    pub fn expect(&self, request: &Manifest) -> Result<(), BatchError> {
        let same = self.manifest.same_request(request);
        same.map_err(|difference| BatchError::Other { batch: self.manifest.batch.to_string(), difference })
    }

    /// Whether there is work to do.
    pub async fn state(&self) -> Result<State, BatchError> {
        if self.store.head(&self.layout.success()?).await?.is_some() {
            Ok(State::Finished)
        } else if self.store.head(&self.layout.cancelled()?).await?.is_some() {
            Ok(State::Cancelled)
        } else {
            Ok(State::Open)
        }
    }

    /// The first `most` tasks from `from` on that have no part.
    pub async fn missing(&self, from: u64, most: usize) -> Result<Vec<u64>, BatchError> {
        Ok(missing_tasks(&self.store, &self.layout, from..self.manifest.task_count(), most).await?)
    }

    /// Whether a task has its part.
    pub async fn has_part(&self, task: u64) -> Result<bool, BatchError> {
        Ok(self.store.head(&self.layout.part(task)?).await?.is_some())
    }

    /// The stored part of a task, checked against the manifest, and the images whose rows it holds.
    pub async fn part(&self, task: u64) -> Result<(Range<u64>, Part), BatchError> {
        self.finisher().part(task).await
    }

    /// Stores the part of a task; the first one counts.
    pub async fn store_part(&self, task: u64, part: &Part) -> Result<store::Created, BatchError> {
        let failed = BatchError::local("encoding rows");
        let text = part.encode().map_err(|error| failed(&error))?;
        Ok(self.store.create(&self.layout.part(task)?, text).await?)
    }

    /// Leaves a note of what a process did, for `run.json`.
    pub async fn note(&self, session: &Session) -> Result<(), BatchError> {
        let failed = BatchError::local("encoding a note");
        let name = format!("run-{}-{}.json", session.started.as_microsecond(), std::process::id());
        let text = serde_json::to_vec(session).map_err(|error| failed(&error))?;
        let key: Key = self.layout.note(&name)?;
        self.store.create(&key, text.into()).await?;
        Ok(())
    }

    /// The outcome of an image that an earlier worker noted; a note that cannot be read counts as none.
    pub async fn noted_outcome(&self, name: &str) -> Result<Option<Outcome>, BatchError> {
        let note = self.store.get(&self.layout.note(name)?, LARGEST_OUTCOME).await?;
        Ok(note.and_then(|note| serde_json::from_slice(&note).ok()))
    }

    /// Notes the outcome of an image, for whoever goes on with its task.
    pub async fn note_outcome(&self, name: &str, outcome: &Outcome) -> Result<(), BatchError> {
        let failed = BatchError::local("encoding a note");
        let text = serde_json::to_vec(outcome).map_err(|error| failed(&error))?;
        self.store.create(&self.layout.note(name)?, text.into()).await?;
        Ok(())
    }

    /// Puts the marker of an open batch beside its queue; nothing for a batch without a queue.
    pub async fn open_marker(&self) -> Result<(), BatchError> {
        if let Some(queue) = &self.manifest.queue {
            let marker = Layout::marker(queue, &self.manifest.batch)?;
            self.store.create(&marker, format!("{}\n", self.digest).into()).await?;
        }
        Ok(())
    }

    /// Takes the marker away; it may have gone before.
    pub async fn close_marker(&self) -> Result<(), BatchError> {
        if let Some(queue) = &self.manifest.queue {
            self.store.delete(&Layout::marker(queue, &self.manifest.batch)?).await?;
        }
        Ok(())
    }

    /// Gives the batch up: what is there stays readable. A finished batch stays finished.
    pub async fn cancel(&self) -> Result<State, BatchError> {
        self.store.create(&self.layout.cancelled()?, "cancelled\n".into()).await?;
        let state = self.state().await?;
        self.close_marker().await?;
        Ok(state)
    }

    /// Overwrites the manifest by a tombstone, then removes everything else of the batch.
    pub async fn delete(self) -> Result<(), BatchError> {
        let failed = BatchError::local("encoding a tombstone");
        let text = serde_json::to_vec(&Tombstone { deleted: true, manifest: Some(self.digest) })
            .map_err(|error| failed(&error))?;
        let manifest = self.layout.manifest()?;
        self.store.overwrite(&manifest, text.into()).await?;
        self.close_marker().await?;
        let mut listing = self.store.list(self.layout.prefix(), None);
        while let Some(page) = listing.page().await? {
            let rest = page.iter().filter(|key| **key != manifest).map(|key| self.store.delete(key));
            stream::iter(rest).buffer_unordered(REMOVALS).try_collect::<()>().await?;
        }
        Ok(())
    }

    /// What finishes this batch.
    pub fn finisher(&self) -> Finisher<'_> {
        Finisher::new(&self.store, &self.layout, &self.manifest, self.digest, &self.images)
    }

    /// The store that holds it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where its objects lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::manifest;

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().to_str().unwrap()).await.unwrap();
        (dir, store)
    }

    fn request() -> (Layout, Manifest) {
        let queue = Some("images".parse().unwrap());
        let manifest = Manifest { queue, images: Vec::new(), ..manifest(0, 64) };
        (Layout::of(&manifest.batch), manifest)
    }

    #[tokio::test]
    async fn the_first_manifest_counts_and_another_request_is_refused() {
        let (_dir, store) = store().await;
        let (layout, request) = request();
        assert!(StoredBatch::find(&store, layout.clone()).await.unwrap().is_none());
        let first = StoredBatch::create(&store, layout.clone(), &request).await.unwrap();
        let again = StoredBatch::create(&store, layout.clone(), &request).await.unwrap();
        assert_eq!(first.digest, again.digest);
        let other = Manifest { task_size: 7, ..request };
        let refused = StoredBatch::create(&store, layout, &other).await;
        assert!(matches!(refused, Err(BatchError::Other { .. })));
    }

    #[tokio::test]
    async fn success_wins_over_cancelled_and_a_deleted_id_stays_refused() {
        let (_dir, store) = store().await;
        let (layout, request) = request();
        let batch = StoredBatch::create(&store, layout.clone(), &request).await.unwrap();
        batch.open_marker().await.unwrap();
        assert_eq!(batch.state().await.unwrap(), State::Open);
        assert_eq!(batch.cancel().await.unwrap(), State::Cancelled);
        let marker = Layout::marker(request.queue.as_ref().unwrap(), &request.batch).unwrap();
        assert!(store.head(&marker).await.unwrap().is_none());
        store.create(&layout.success().unwrap(), "x".into()).await.unwrap();
        assert_eq!(batch.state().await.unwrap(), State::Finished);
        let digest = batch.digest;
        batch.delete().await.unwrap();
        let found = StoredBatch::find(&store, layout.clone()).await;
        assert!(matches!(found, Err(BatchError::Deleted { manifest: Some(was), .. }) if was == digest));
        assert!(matches!(StoredBatch::create(&store, layout, &request).await, Err(BatchError::Deleted { .. })));
    }
}
