//! Publishing tasks: exactly those without a part, in bounded memory.

use std::collections::BTreeSet;

use batch::StoredBatch;
use queue::{Headers, Outgoing, Published, Publisher, TaskMessage};

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
            publisher.publish(outgoing(batch, *task, false)?).await?;
            if at == missing.len() / 2 {
                failpoint::pass(Step::MidPublish);
            }
        }
    }
    Ok(publisher.flush().await?)
}

/// The message of one task.
pub fn outgoing(batch: &StoredBatch, task: u64, isolated: bool) -> Result<Outgoing, Failure> {
    let digest = batch.digest.to_string();
    let message = TaskMessage::new(batch.manifest.batch.as_str(), task, &digest).map_err(Failure::usage)?;
    let message = if isolated { message.isolated() } else { message };
    Ok(Outgoing::from(&message).with_headers(trace_context(&digest, task)))
}

/// The W3C trace context of a task: all tasks of a batch belong to one trace, whoever publishes them.
fn trace_context(manifest: &str, task: u64) -> Headers {
    let trace = &manifest[..32];
    // The span id 0 is not valid.
    let span = task.wrapping_add(1).max(1);
    Headers::from([("traceparent".to_owned(), format!("00-{trace}-{span:016x}-01"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_a_batch_share_a_valid_trace() {
        let digest = "0123456789abcdef".repeat(4);
        let headers = trace_context(&digest, 41);
        assert_eq!(headers["traceparent"], "00-0123456789abcdef0123456789abcdef-000000000000002a-01");
        assert!(trace_context(&digest, u64::MAX)["traceparent"].contains("-0000000000000001-"));
    }
}
