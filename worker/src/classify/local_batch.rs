//! The batch of a folder: made on the first run, gone on with on every later one.

use std::path::Path;

use batch::input::{self, Filter, Input};
use batch::{
    BatchError, BatchId, Finisher, ImageList, ImageListWriter, Layout, Manifest, Part, Session, missing_tasks,
};
use models::Digest;
use store::source::Sources;
use store::{Created, Key, Store};

use crate::cli::ClassifyArgs;
use crate::exit::Failure;
use crate::model::FoundModel;

/// Largest manifest that is read: 100 million images have a quarter of a megabyte of offsets.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// A batch that lies alone in a local folder.
pub(super) struct LocalBatch {
    pub(super) manifest: Manifest,
    pub(super) images: ImageList,
    digest: Digest,
    store: Store,
    layout: Layout,
}

impl LocalBatch {
    /// Opens the batch in `directory`, or makes it there from the inputs. Another batch in the same place is refused.
    pub(super) async fn open(
        directory: &Path,
        args: &ClassifyArgs,
        model: &FoundModel,
        sources: &Sources,
    ) -> Result<Self, Failure> {
        let store = Store::open(&directory.to_string_lossy()).await?;
        let layout = Layout::alone();
        let inputs = args.inputs.iter().map(|input| Input::parse(input)).collect::<Result<Vec<_>, _>>()?;
        let filter = args.filter.filter()?;
        let mut manifest = Manifest {
            version: Manifest::VERSION,
            batch: name(directory),
            arguments: input::identity(&inputs, &filter)?,
            task_size: args.settings.task_size,
            settings: args.settings.settings(model.reference.clone()),
            queue: None,
            parent: None,
            etl: None,
            images: Vec::new(),
        };
        let key = layout.manifest()?;
        if store.get(&key, LARGEST_MANIFEST).await?.is_none() {
            store.probe().await?;
            manifest.images = list(&store, &layout, inputs, filter, sources).await?;
            let text = manifest.encode().map_err(Failure::usage)?;
            // Another process may have come first; then its manifest counts.
            let _made: Created = store.create(&key, text.into()).await?;
        }
        let stored = store.get(&key, LARGEST_MANIFEST).await?;
        let text = stored.ok_or_else(|| Failure::new(Failure::UNAVAILABLE, format!("{key} has just been deleted")))?;
        let stored = Manifest::decode(&text).map_err(BatchError::from)?;
        stored
            .same_request(&manifest)
            .map_err(|difference| BatchError::Other { batch: directory.display().to_string(), difference })?;
        let images = ImageList::new(store.clone(), layout.clone(), &stored);
        Ok(Self { manifest: stored, images, digest: Digest::of(&text), store, layout })
    }

    /// The tasks that have no part yet.
    pub(super) async fn missing(&self) -> Result<Vec<u64>, BatchError> {
        Ok(missing_tasks(&self.store, &self.layout, 0..self.manifest.task_count(), usize::MAX).await?)
    }

    /// Whether `_SUCCESS` is there.
    pub(super) async fn is_finished(&self) -> Result<bool, BatchError> {
        Ok(self.store.head(&self.layout.success()?).await?.is_some())
    }

    /// A part that was stored before.
    pub(super) async fn read_part(&self, task: u64) -> Result<Part, BatchError> {
        Ok(self.finisher().part(task).await?.1)
    }

    /// Stores a part; the first one of a task counts.
    pub(super) async fn store_part(&self, task: u64, part: &Part) -> Result<(), Failure> {
        let text = part.encode().map_err(Failure::usage)?;
        self.store.create(&self.layout.part(task)?, text).await?;
        Ok(())
    }

    /// Leaves a note of what this process did, for `run.json`.
    pub(super) async fn note(&self, session: &Session) -> Result<(), Failure> {
        let name = format!("run-{}-{}.json", session.started.as_microsecond(), std::process::id());
        let text = serde_json::to_vec(session).map_err(Failure::usage)?;
        let key: Key = self.layout.note(&name)?;
        self.store.create(&key, text.into()).await?;
        Ok(())
    }

    /// What finishes this batch.
    pub(super) fn finisher(&self) -> Finisher<'_> {
        Finisher::new(&self.store, &self.layout, &self.manifest, self.digest, &self.images)
    }
}

async fn list(
    store: &Store,
    layout: &Layout,
    inputs: Vec<Input>,
    filter: Filter,
    sources: &Sources,
) -> Result<Vec<batch::ImageFile>, BatchError> {
    let mut writer = ImageListWriter::new(store, layout);
    let mut images = input::list(inputs, filter, sources.clone());
    while let Some(image) = images.recv().await {
        writer.push(&image?).await?;
    }
    writer.finish().await
}

/// A batch id made of the folder's name, for the report's title.
fn name(directory: &Path) -> BatchId {
    let name = directory.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(50).collect();
    plain.trim_start_matches('-').parse().unwrap_or_else(|_| LOCAL.parse().unwrap_or_else(|_| unreachable!()))
}

/// For folders whose name has no letter or digit.
const LOCAL: &str = "local";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_folder_gives_a_batch_id() {
        for (folder, id) in
            [("/tmp/Results 1", "results-1"), ("/", "local"), ("..", "local"), ("/tmp/.x", "x"), ("/ä", "local")]
        {
            assert_eq!(name(Path::new(folder)).as_str(), id, "{folder}");
        }
    }
}
