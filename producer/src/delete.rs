//! `producer delete`: a batch goes, its id stays refused.

use std::io::{self, IsTerminal, Write};

use batch::{BatchError, BatchId, Layout, State, StoredBatch};
use futures::{StreamExt, TryStreamExt, stream};
use program::Failure;
use store::Store;

use crate::cli::DeleteArgs;
use crate::display::counted;
use crate::list;
use crate::places::found;
use crate::reconcile::markers;

/// Batches looked at at a time, and objects removed.
const AT_ONCE: usize = 16;

/// Overwrites the manifest by a tombstone and removes everything else; goes on with a removal that was cut off.
pub async fn run(args: &DeleteArgs) -> Result<(), Failure> {
    let store = args.store.open().await?;
    let id = &args.batch;
    let batch = match StoredBatch::find(&store, Layout::of(id)).await {
        Err(BatchError::Deleted { .. }) => {
            markers::remove(&store, id).await?;
            let removed = remove_rest(&store, id).await?;
            writeln!(io::stdout(), "{id}: was deleted before; {} removed now", counted(removed, "object"))?;
            return Ok(());
        }
        other => found(other, id, &store)?,
    };
    if let Some(retry) = unfinished_retry(&store, id).await? {
        let remedy = format!("wait for it, or `producer cancel {retry}`");
        return Err(Failure::usage(format!("batch {retry} retries batch {id} and still takes rows from it: {remedy}")));
    }
    if !args.yes && !confirmed(&batch).await? {
        return Err(Failure::usage("nothing is deleted"));
    }
    batch.delete().await?;
    writeln!(io::stdout(), "{id}: deleted; its id cannot be used again")?;
    Ok(())
}

/// A batch that still needs this one.
async fn unfinished_retry(store: &Store, id: &BatchId) -> Result<Option<BatchId>, Failure> {
    let looks = stream::iter(list::ids(store).await?).map(|other| async move {
        let batch = match StoredBatch::find(store, Layout::of(&other)).await {
            Ok(Some(batch)) => batch,
            // What cannot be read retries nothing.
            Ok(None) | Err(BatchError::Deleted { .. } | BatchError::Manifest(_)) => return Ok(None),
            Err(error) => return Err(Failure::from(error)),
        };
        let names_it = batch.manifest.parent.as_ref().is_some_and(|parent| parent.batch == *id);
        Ok((names_it && batch.state().await? == State::Open).then_some(other))
    });
    let mut found = looks.buffer_unordered(AT_ONCE).try_filter_map(|retry| std::future::ready(Ok(retry)));
    found.try_next().await
}

/// Asks on the terminal.
#[expect(clippy::print_stderr, reason = "a question to the person at the terminal")]
async fn confirmed(batch: &StoredBatch) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("give --yes: there is no terminal to ask on"));
    }
    let id = batch.manifest.batch.clone();
    let state = format!("{:?}", batch.state().await?).to_lowercase();
    eprint!(
        "Delete batch {id} ({state}, {}) with all its results? Type its id: ",
        counted(batch.manifest.image_count(), "image")
    );
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await.map_err(Failure::unavailable)?.map_err(Failure::unavailable)?;
    Ok(answer.trim() == id.as_str())
}

/// Removes what a cut-off deletion left; gives how many objects.
async fn remove_rest(store: &Store, id: &BatchId) -> Result<u64, Failure> {
    let layout = Layout::of(id);
    let manifest = layout.manifest()?;
    let mut removed = 0;
    let mut listing = store.list(layout.prefix(), None);
    while let Some(page) = listing.page().await? {
        let rest: Vec<_> = page.into_iter().filter(|key| *key != manifest).collect();
        removed += rest.len() as u64;
        let removals = stream::iter(&rest).map(|key| store.delete(key)).buffer_unordered(AT_ONCE);
        removals.try_collect::<()>().await?;
    }
    Ok(removed)
}
