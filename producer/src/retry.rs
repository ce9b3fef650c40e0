//! `producer retry`: a new batch that takes over the rows of a finished one, and does the chosen failed images again.

use std::io::{self, Write};

use batch::{BatchId, Layout, Manifest, Parent, ParentRows, Part, State, StoredBatch};
use futures::{StreamExt, stream};
use program::Failure;
use store::Store;

use crate::cli::RetryArgs;
use crate::display::{count, counted};
use crate::places::{Queue, queue_of};
use crate::results::sums;

/// Parts of the parent looked at at a time.
const AT_ONCE: usize = 16;
/// Missing tasks found before they are looked at.
const CHUNK: usize = 100_000;

/// Makes the batch, or goes on with it: rows that stay are copied, tasks with work left are published.
pub async fn run(args: &RetryArgs) -> Result<(), Failure> {
    let store = args.store.open().await?;
    let parent = args.store.batch(&args.batch).await?;
    if parent.state().await? != State::Finished {
        return Err(Failure::usage(format!(
            "batch {} is not finished: only a finished batch can be retried",
            args.batch
        )));
    }
    let queue = Queue::new(args.broker.broker()?, queue_of(&parent)?)?;
    let mut admin = queue.admin();
    // Found out before anything is stored.
    admin.depth().await?;
    admin.close().await;
    let request = request(args, &parent).await?;
    let batch = create(&store, &parent, request).await?;
    match batch.state().await? {
        State::Open => work(&batch, &queue).await,
        State::Finished => Ok(writeln!(io::stdout(), "{}: is finished", batch.manifest.batch)?),
        State::Cancelled => Err(Failure::usage(format!(
            "batch {} was cancelled, and stays so; name another one with --as",
            batch.manifest.batch
        ))),
    }
}

/// The parent's manifest with another name, and what is to be done again.
async fn request(args: &RetryArgs, parent: &StoredBatch) -> Result<Manifest, Failure> {
    let failed = sums::of(parent).await?.errors;
    let mut codes = if args.codes.is_empty() { failed.keys().copied().collect() } else { args.codes.clone() };
    codes.sort_unstable();
    codes.dedup();
    if !codes.iter().any(|code| failed.contains_key(code)) {
        let asked = codes.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(" or ");
        let with = if asked.is_empty() { String::new() } else { format!(" with {asked}") };
        return Err(Failure::usage(format!(
            "no image of batch {} failed{with}: there is nothing to retry",
            args.batch
        )));
    }
    let batch = match &args.name {
        Some(name) => name.clone(),
        None => format!("{}-retry", args.batch)
            .parse::<BatchId>()
            .map_err(|error| Failure::usage(format!("{error}; name the new batch with --as")))?,
    };
    let of = Parent { batch: args.batch.clone(), manifest: parent.digest, codes };
    Ok(Manifest { batch, parent: Some(of), etl: None, ..parent.manifest.clone() })
}

async fn create(store: &Store, parent: &StoredBatch, request: Manifest) -> Result<StoredBatch, Failure> {
    let layout = Layout::of(&request.batch);
    batch::copy_images(store, parent.layout(), &layout, &request.images).await?;
    let batch = StoredBatch::create(store, layout, &request).await?;
    batch.open_marker().await?;
    Ok(batch)
}

/// Copies the parts whose rows all stay, and publishes the tasks of the others. Whatever is left of it when this is
/// killed, workers do: they take the rows that stay from the parent too.
async fn work(batch: &StoredBatch, queue: &Queue) -> Result<(), Failure> {
    let parent = &ParentRows::of(batch).await?;
    let mut publisher = queue.publisher();
    let (mut from, mut again, mut copied) = (0, 0, 0);
    while from < batch.manifest.task_count() {
        let missing = batch.missing(from, CHUNK).await?;
        let Some(last) = missing.last() else { break };
        from = last + 1;
        let mut done = stream::iter(missing)
            .map(|task| async move { (task, take_over(batch, parent, task).await) })
            .buffer_unordered(AT_ONCE);
        while let Some((task, images)) = done.next().await {
            match images? {
                0 => copied += 1,
                images => {
                    again += images;
                    publisher.publish(batch.message(task, false).map_err(Failure::usage)?).await?;
                }
            }
        }
    }
    let published = publisher.flush().await?;
    publisher.close().await;
    writeln!(
        io::stdout(),
        "{}: {} to do again in {}, published to queue {}; {} taken over as they are",
        batch.manifest.batch,
        counted(again, "image"),
        counted(published.messages, "task"),
        queue.name,
        count(copied)
    )?;
    Ok(())
}

/// How many images of a task are to be done again; if none, its part is the parent's.
async fn take_over(batch: &StoredBatch, parent: &ParentRows, task: u64) -> Result<u64, Failure> {
    let rows = parent.rows(task, batch.manifest.task_images(task)).await?;
    let again = rows.iter().filter(|row| row.is_none()).count() as u64;
    if again == 0 {
        batch.store_part(task, &Part { rows: rows.into_iter().flatten().collect() }).await?;
    }
    Ok(again)
}
