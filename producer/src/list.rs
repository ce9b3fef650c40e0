//! `producer list`: the batches of a store.

use std::io::{self, BufWriter, Write};

use batch::{BatchError, BatchId, Layout, State, StoredBatch};
use futures::{StreamExt, TryStreamExt, stream};
use program::Failure;
use serde::Serialize;
use store::{Key, Store};

use crate::cli::ListArgs;
use crate::display::{count, table};
use crate::formats::Shape;

/// Batches looked at at a time.
const AT_ONCE: usize = 16;

/// Prints the batches of the store, by name.
pub async fn run(args: &ListArgs) -> Result<(), Failure> {
    let store = args.store.open().await?;
    let ids = ids(&store).await?;
    let looks = stream::iter(ids).map(|id| look(&store, id)).buffered(AT_ONCE);
    let mut found: Vec<Entry> = looks.try_collect().await?;
    found.retain(|entry| match entry.state {
        Phase::Open => true,
        Phase::Finished | Phase::Cancelled => !args.open,
        Phase::Deleted | Phase::Begun | Phase::Unreadable => args.all,
    });
    let mut out = BufWriter::new(io::stdout());
    match args.format {
        Shape::Json => {
            for entry in &found {
                serde_json::to_writer(&mut out, entry).map_err(io::Error::from)?;
                writeln!(out)?;
            }
        }
        Shape::Table => {
            let heading = ["BATCH", "STATE", "IMAGES", "QUEUE", "MODEL"].map(String::from);
            let rows: Vec<_> = std::iter::once(heading).chain(found.iter().map(Entry::row)).collect();
            write!(out, "{}", table(&rows))?;
        }
    }
    Ok(out.flush()?)
}

/// The names of all batches of a store; foreign folders are left out.
pub async fn ids(store: &Store) -> Result<Vec<BatchId>, Failure> {
    let folders = store.folders(&Key::new("batches")?).await?;
    let mut ids: Vec<BatchId> = folders.iter().filter_map(|name| name.parse().ok()).collect();
    // A store lists `a-b/` before `a/`.
    ids.sort_unstable();
    Ok(ids)
}

/// What `list` says of one batch.
#[derive(Debug, Serialize)]
struct Entry {
    batch: BatchId,
    state: Phase,
    images: Option<u64>,
    queue: Option<String>,
    model: Option<String>,
    parent: Option<BatchId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    Open,
    Finished,
    Cancelled,
    Deleted,
    /// An `enqueue` did not come to its manifest.
    Begun,
    /// Its manifest cannot be used.
    Unreadable,
}

async fn look(store: &Store, id: BatchId) -> Result<Entry, Failure> {
    let entry = |batch, state| Entry { batch, state, images: None, queue: None, model: None, parent: None };
    let batch = match StoredBatch::find(store, Layout::of(&id)).await {
        Ok(Some(batch)) => batch,
        Ok(None) => return Ok(entry(id, Phase::Begun)),
        Err(BatchError::Deleted { .. }) => return Ok(entry(id, Phase::Deleted)),
        Err(BatchError::Manifest(error)) => {
            tracing::warn!(batch = %id, %error, "its manifest cannot be used");
            return Ok(entry(id, Phase::Unreadable));
        }
        Err(error) => return Err(error.into()),
    };
    let state = match batch.state().await? {
        State::Open => Phase::Open,
        State::Finished => Phase::Finished,
        State::Cancelled => Phase::Cancelled,
    };
    let images = Some(batch.manifest.image_count());
    let manifest = batch.manifest;
    Ok(Entry {
        batch: id,
        state,
        images,
        queue: manifest.queue.map(String::from),
        model: Some(manifest.settings.model.id),
        parent: manifest.parent.map(|parent| parent.batch),
    })
}

impl Entry {
    fn row(&self) -> [String; 5] {
        let state = format!("{:?}", self.state).to_lowercase();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let images = self.images.map(count).unwrap_or_default();
        [self.batch.to_string(), state, images, text(&self.queue), text(&self.model)]
    }
}
