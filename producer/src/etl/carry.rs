//! A run is carried out: manifest, marker, messages, then the ledger. Anyone may do it, begin anywhere, and be killed
//! anywhere; all come to the same end.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use batch::{BatchError, BatchId, ImageList, Layout, Manifest, State, StoredBatch};
use jiff::Timestamp;
use ledger::Leaf;
use models::Digest;
use program::Failure;

use super::args::EtlArgs;
use super::pipeline::Pipeline;
use super::run_file::Run;
use crate::display::{count, counted};
use crate::failpoint::{self, Step};
use crate::places::Queue;
use crate::publish;

/// Images that are read at a time.
const BLOCK: u64 = 4096;
/// Images that a process at work on a run does in a second, at least: copies, publishes and enters into the ledger.
const IMAGES_PER_SECOND: u64 = 50_000;
/// Between two looks whether another process has finished.
const POLL: Duration = Duration::from_millis(500);

/// A name for the batch of a run.
enum Place {
    /// Its batch has this name.
    Ours(Box<StoredBatch>),
    /// It had, and was deleted.
    Deleted,
    /// Another batch has or had it.
    Taken,
}

/// Carries a run out to its end, and says so. One of another process that has just begun is left to it for a while.
pub(super) async fn out(pipeline: &Pipeline, run: &Run, args: &EtlArgs, is_mine: bool) -> Result<(), Failure> {
    if !is_mine && others_finish(pipeline, run, args.grace).await? {
        return Ok(());
    }
    let mut said = format!("{}: run {}: ", pipeline.name, run.run);
    let batch = match place(pipeline, run).await? {
        (id, None) => {
            said.push_str(&format!("batch {id} was deleted"));
            id
        }
        (id, Some(batch)) => {
            let queue = batch.manifest.queue.clone().unwrap_or_else(|| args.queue.clone());
            let queue = Queue::new(args.broker.broker()?, &queue)?;
            let (state, messages) = publish::open(&batch, &queue).await?;
            said.push_str(&described(run, &batch, state, messages, &queue));
            id
        }
    };
    pipeline.note(run, &batch).await?;
    failpoint::pass(Step::AfterName);
    enter(pipeline, run, pipeline.ledger.leaf(run.run).await?).await?;
    failpoint::pass(Step::AfterLedger);
    writeln!(io::stdout(), "{said}")?;
    Ok(())
}

fn described(run: &Run, batch: &StoredBatch, state: State, messages: u64, queue: &Queue) -> String {
    let id = &batch.manifest.batch;
    let images = counted(batch.manifest.image_count(), "image");
    match state {
        State::Open => format!(
            "batch {id}, {images} ({} new, {} overwritten, {} again), {} published to queue {}",
            count(run.counts.new),
            count(run.counts.overwritten),
            count(run.counts.again),
            counted(messages, "task"),
            queue.name
        ),
        State::Finished => format!("batch {id}, {images}, is finished"),
        State::Cancelled => format!("batch {id}, {images}, was cancelled"),
    }
}

/// Waits for whoever decided the run, as long as that may take; whether it came to its end.
async fn others_finish(pipeline: &Pipeline, run: &Run, grace: u32) -> Result<bool, Failure> {
    let grace = Duration::from_secs(u64::from(grace) + run.manifest.image_count() / IMAGES_PER_SECOND);
    let age = Duration::try_from(Timestamp::now().duration_since(run.made)).unwrap_or_default();
    let (started, left) = (Instant::now(), grace.saturating_sub(age));
    if !left.is_zero() {
        tracing::info!(run = run.run, batch = %run.batch(), seconds = left.as_secs(), "left to the process that made it");
    }
    while started.elapsed() < left {
        if pipeline.ledger.has(run.run).await? {
            return Ok(true);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(false)
}

/// The batch of a run, made unless it is there, and its name; no batch if it was deleted.
async fn place(pipeline: &Pipeline, run: &Run) -> Result<(BatchId, Option<Box<StoredBatch>>), Failure> {
    for id in run.names() {
        match make(pipeline, Manifest { batch: id.clone(), ..run.manifest.clone() }).await? {
            Place::Ours(batch) => return Ok((id, Some(batch))),
            Place::Deleted => return Ok((id, None)),
            Place::Taken => tracing::warn!(batch = %id, "the name is taken by a batch that is not of this run"),
        }
    }
    Err(Failure::usage(format!("run {} finds no free name for batch {}", run.run, run.batch())))
}

/// Makes a batch with exactly this manifest, or finds what has its name.
async fn make(pipeline: &Pipeline, manifest: Manifest) -> Result<Place, Failure> {
    let layout = Layout::of(&manifest.batch);
    if let Some(place) = look(pipeline, &layout, &manifest).await? {
        return Ok(place);
    }
    batch::copy_images(&pipeline.store, &pipeline.layout, &layout, &manifest.images).await?;
    failpoint::pass(Step::AfterCopy);
    match StoredBatch::create(&pipeline.store, layout.clone(), &manifest).await {
        Ok(_) | Err(BatchError::Other { .. } | BatchError::Deleted { .. } | BatchError::Manifest(_)) => {}
        Err(error) => return Err(error.into()),
    }
    failpoint::pass(Step::AfterManifest);
    let found = look(pipeline, &layout, &manifest).await?;
    found.ok_or_else(|| Failure::unavailable(format!("batch {} has just been removed", manifest.batch)))
}

/// What has the name of the batch; none: it is free.
async fn look(pipeline: &Pipeline, layout: &Layout, manifest: &Manifest) -> Result<Option<Place>, Failure> {
    match StoredBatch::find(&pipeline.store, layout.clone()).await {
        Ok(None) => Ok(None),
        Ok(Some(batch)) if batch.manifest == *manifest => Ok(Some(Place::Ours(Box::new(batch)))),
        Err(BatchError::Deleted { manifest: Some(was), .. }) => {
            let text = manifest.encode().map_err(|error| Failure::unavailable(format!("encoding: {error}")))?;
            Ok(Some(if was == Digest::of(&text) { Place::Deleted } else { Place::Taken }))
        }
        Ok(Some(_)) | Err(BatchError::Deleted { .. } | BatchError::Manifest(_)) => Ok(Some(Place::Taken)),
        Err(error) => Err(error.into()),
    }
}

/// Enters the images of a run into a ledger, after their files were compared with their digests.
pub(super) async fn enter(pipeline: &Pipeline, run: &Run, mut leaf: Leaf) -> Result<(), Failure> {
    let images = ImageList::new(pipeline.store.clone(), pipeline.layout.clone(), &run.manifest);
    images.verify().await?;
    let (mut at, count) = (0, run.manifest.image_count());
    while at < count {
        let block = images.read(at..(at + BLOCK).min(count)).await?;
        at += block.len() as u64;
        for image in block {
            leaf.push(&image.uri, image.etag.as_deref().unwrap_or_default()).await?;
        }
    }
    leaf.finish().await?;
    Ok(())
}
