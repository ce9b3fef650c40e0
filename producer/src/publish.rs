//! Opening a batch: its marker, then the tasks that have no part, in bounded memory.

use std::collections::BTreeSet;

use batch::{State, StoredBatch};
use program::Failure;
use queue::{Published, Publisher};

use crate::failpoint::{self, Step};
use crate::places::Queue;

/// Missing tasks found before they are published.
const CHUNK: usize = 100_000;

/// Marks `batch` as open and publishes what is missing of it, unless it is over. Gives the state in which it was found,
/// and how many tasks were published.
pub async fn open(batch: &StoredBatch, queue: &Queue) -> Result<(State, u64), Failure> {
    let state = batch.state().await?;
    if state != State::Open {
        batch.close_marker().await?;
        return Ok((state, 0));
    }
    // What workers do for the batch follows from this.
    telemetry::adopt(&tracing::Span::current(), &batch.trace());
    batch.open_marker().await?;
    failpoint::pass(Step::AfterMarker);
    let mut publisher = queue.publisher();
    let published = missing(batch, &mut publisher, &BTreeSet::new()).await;
    publisher.close().await;
    let published = published.map_err(|failure| {
        let id = &batch.manifest.batch;
        let hint = format!("batch {id} is stored, its messages are not all published; run the same command again");
        Failure::new(failure.code, format!("{}; {hint}", failure.message))
    })?;
    failpoint::pass(Step::AfterPublish);
    Ok((state, published.messages))
}

/// Publishes every task of `batch` that has no part, but for those of `except`; gives how many, once each is surely on the
/// queue.
pub async fn missing(
    batch: &StoredBatch,
    publisher: &mut Publisher,
    except: &BTreeSet<u64>,
) -> Result<Published, Failure> {
    let mut from = 0;
    while from < batch.manifest.task_count() {
        let missing = batch.missing(from, CHUNK).await?;
        let Some(last) = missing.last() else { break };
        from = last + 1;
        for (at, task) in missing.iter().enumerate().filter(|(_, task)| !except.contains(task)) {
            publisher.publish(batch.message(*task, false).map_err(Failure::usage)?).await?;
            if at == missing.len() / 2 {
                failpoint::pass(Step::MidPublish);
            }
        }
    }
    Ok(publisher.flush().await?)
}
