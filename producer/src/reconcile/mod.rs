//! `producer reconcile`: what the store says is missing goes onto the queue; what is complete is finished; what is over
//! loses its marker. The queue may have been purged or deleted before.

mod dead;
mod finish;
pub(crate) mod markers;

use std::collections::BTreeSet;
use std::io::{self, Write};

use batch::{BatchError, BatchId, Layout, QueueName, Revived, State, StoredBatch};
use program::Failure;
use store::Store;

use crate::cli::ReconcileArgs;
use crate::display::{count, counted};
use crate::places::{Queue, queue_of};
use crate::publish;
use finish::Finished;

/// Reconciles one batch, or every open one.
pub async fn run(args: &ReconcileArgs) -> Result<(), Failure> {
    let store = args.store.open().await?;
    match &args.batch {
        Some(id) => one(args, &store, id).await,
        None => all(args, &store).await,
    }
}

async fn one(args: &ReconcileArgs, store: &Store, id: &BatchId) -> Result<(), Failure> {
    if let Err(error @ BatchError::Deleted { .. }) = StoredBatch::find(store, Layout::of(id)).await {
        markers::remove(store, id).await?;
        return Err(error.into());
    }
    let batch = args.store.batch(id).await?;
    if !needs_work(&batch).await? {
        return Ok(());
    }
    let queue = Queue::new(args.broker.broker()?, queue_of(&batch)?)?;
    queue.admin().declare().await?;
    let revived = dead::revive(store, &queue, Some(id)).await?;
    publish_missing(&batch, &queue, &revived).await
}

/// Every queue of the store in turn. What fails for one batch does not keep the others.
async fn all(args: &ReconcileArgs, store: &Store) -> Result<(), Failure> {
    let mut worst: Option<Failure> = None;
    let mut keep = |failure: Failure| {
        if worst.as_ref().is_none_or(|worst| worst.code < failure.code) {
            worst = Some(failure);
        }
    };
    for name in markers::queues(store).await? {
        let mut open = Vec::new();
        for id in markers::open(store, &name).await? {
            match still_open(store, &name, &id).await {
                Ok(Some(batch)) => open.push(batch),
                Ok(None) => {}
                Err(failure) => keep(about(&id, failure)),
            }
        }
        if !open.is_empty()
            && let Err(failure) = supply(args, store, &name, &open).await
        {
            keep(failure);
        }
    }
    worst.map_or(Ok(()), Err)
}

/// The batch behind a marker, if it has work left; else the marker goes.
async fn still_open(store: &Store, queue: &QueueName, id: &BatchId) -> Result<Option<StoredBatch>, Failure> {
    let gone = async |what: &str| -> Result<Option<StoredBatch>, Failure> {
        store.delete(&Layout::marker(queue, id)?).await?;
        writeln!(io::stdout(), "{id}: {what}, its marker is removed")?;
        Ok(None)
    };
    match StoredBatch::find(store, Layout::of(id)).await {
        Ok(Some(batch)) if batch.manifest.queue.as_ref() != Some(queue) => gone("belongs to another queue").await,
        Ok(Some(batch)) => Ok(needs_work(&batch).await?.then_some(batch)),
        Ok(None) => gone("has no manifest").await,
        Err(BatchError::Deleted { .. }) => gone("was deleted").await,
        Err(error) => Err(error.into()),
    }
}

/// Whether anything is left to publish; finishes the batch and removes its marker where not.
async fn needs_work(batch: &StoredBatch) -> Result<bool, Failure> {
    let id = &batch.manifest.batch;
    let over = match batch.state().await? {
        State::Finished => "is finished",
        State::Cancelled => "was cancelled",
        State::Open => match finish::try_finish(batch).await? {
            Finished::Not => return Ok(true),
            Finished::Now => "all parts are there: finished",
            Finished::Before => "was finished by another in this moment",
        },
    };
    batch.close_marker().await?;
    writeln!(io::stdout(), "{id}: {over}")?;
    Ok(false)
}

/// Revives the dead letters of a queue, and fills it if it is empty: a queue that still holds messages gives its workers
/// something to do, and is looked at again at the next run.
async fn supply(args: &ReconcileArgs, store: &Store, name: &QueueName, open: &[StoredBatch]) -> Result<(), Failure> {
    let queue = Queue::new(args.broker.broker()?, name)?;
    let mut admin = queue.admin();
    admin.declare().await?;
    let depth = admin.depth().await?;
    admin.close().await;
    let revived = dead::revive(store, &queue, None).await?;
    if depth.ready > 0 {
        writeln!(io::stdout(), "queue {name}: holds {}, nothing added", counted(depth.ready.into(), "message"))?;
        return Ok(());
    }
    for batch in open {
        publish_missing(batch, &queue, &revived).await?;
    }
    Ok(())
}

async fn publish_missing(batch: &StoredBatch, queue: &Queue, revived: &Revived) -> Result<(), Failure> {
    // An `enqueue` may have been killed before it came to this.
    batch.open_marker().await?;
    let id = &batch.manifest.batch;
    let none = BTreeSet::new();
    let isolated = revived.isolated.get(id).unwrap_or(&none);
    let mut publisher = queue.publisher();
    let published = publish::missing(batch, &mut publisher, isolated).await;
    publisher.close().await;
    let isolated = match isolated.len() {
        0 => String::new(),
        tasks => format!(", besides {} for isolated work", count(tasks as u64)),
    };
    writeln!(io::stdout(), "{id}: {} published{isolated}", counted(published?.messages, "missing task"))?;
    Ok(())
}

fn about(id: &BatchId, failure: Failure) -> Failure {
    Failure::new(failure.code, format!("batch {id}: {}", failure.message))
}
