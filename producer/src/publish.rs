//! Publishing tasks: exactly those without a part, in bounded memory.

use std::collections::BTreeSet;

use batch::StoredBatch;
use queue::{Published, Publisher};

use crate::exit::Failure;
use crate::failpoint::{self, Step};

/// Missing tasks found before they are published.
const CHUNK: usize = 100_000;

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
