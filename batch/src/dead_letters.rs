//! Dead letters: tasks that came back too often. Those with work left are published again for isolated work; the others
//! are dropped, or set aside in the store with the reason.

use std::collections::{BTreeMap, BTreeSet};

use queue::{Broker, DeadLetters, Delivery, Publisher, PublisherOptions, TaskMessage, Topology};
use store::Store;

use crate::aside::set_aside;
use crate::error::BatchError;
use crate::ids::{BatchId, QueueName};
use crate::layout::Layout;
use crate::stored::{State, StoredBatch};

/// Letters taken at a time, published, and only then forgotten by the broker.
const AT_ONCE: usize = 500;
/// Letters of other batches that are held until the end, so that they do not come twice.
const MOST_HELD: usize = 10_000;

/// What became of the dead letters.
#[derive(Debug, Default)]
pub struct Revived {
    /// Tasks that were published for isolated work.
    pub isolated: BTreeMap<BatchId, BTreeSet<u64>>,
    /// Letters whose work is done or given up.
    pub dropped: u64,
    /// Letters that no batch owns.
    pub set_aside: u64,
}

impl Revived {
    /// How many tasks were published for isolated work.
    pub fn tasks(&self) -> u64 {
        self.isolated.values().map(|tasks| tasks.len() as u64).sum()
    }
}

/// What is to be done with a letter.
enum Verdict {
    Isolate(BatchId, u64),
    Drop,
    SetAside(String),
    /// It is of a batch that is not asked for.
    Hold,
}

/// Goes through the dead letters of `queue`; only those of batch `only` if one is given, and those that nobody could read.
///
/// # Errors
/// As store and broker; what was done until then stays done.
pub async fn revive(
    store: &Store,
    broker: &Broker,
    queue: &QueueName,
    only: Option<&BatchId>,
) -> Result<Revived, BatchError> {
    let topology = Topology::new(queue.as_str())?;
    let mut letters = DeadLetters::open(broker, &topology).await?;
    let mut judge = Judge { store, only, batches: BTreeMap::new() };
    let mut publisher = Publisher::new(broker, &topology, PublisherOptions::default());
    let (mut revived, mut held) = (Revived::default(), Vec::new());
    while held.len() < MOST_HELD {
        let taken = letters.take(AT_ONCE).await?;
        if taken.is_empty() {
            break;
        }
        let mut settled = Vec::new();
        for letter in taken {
            match judge.verdict(&letter).await? {
                Verdict::Hold => {
                    held.push(letter);
                    continue;
                }
                Verdict::Drop => revived.dropped += 1,
                Verdict::SetAside(reason) => {
                    set_aside(store, queue, &letter.body, &reason).await?;
                    revived.set_aside += 1;
                }
                Verdict::Isolate(id, task) => {
                    // The same task may have died twice.
                    if revived.isolated.entry(id.clone()).or_default().insert(task)
                        && let Some(batch) = judge.open(&id)
                        && let Ok(message) = batch.message(task, true)
                    {
                        publisher.publish(message).await?;
                    }
                }
            }
            settled.push(letter);
        }
        publisher.flush().await?;
        for letter in settled {
            // One that the broker does not forget comes again, and does no harm.
            let _may_be_lost = letter.ack().await;
        }
    }
    publisher.close().await;
    drop(held);
    letters.close().await;
    Ok(revived)
}

/// Decides about letters; looks each batch up once.
struct Judge<'a> {
    store: &'a Store,
    only: Option<&'a BatchId>,
    batches: BTreeMap<BatchId, Known>,
}

enum Known {
    Open(Box<StoredBatch>),
    /// Finished, cancelled or deleted.
    Over,
    Unknown,
}

impl Judge<'_> {
    async fn verdict(&mut self, letter: &Delivery) -> Result<Verdict, BatchError> {
        let message = match TaskMessage::parse(&letter.body) {
            Ok(message) => message,
            Err(reason) => return Ok(Verdict::SetAside(reason.to_string())),
        };
        let id: BatchId = match message.batch().parse() {
            Ok(id) => id,
            Err(reason) => return Ok(Verdict::SetAside(format!("{reason}"))),
        };
        if self.only.is_some_and(|only| *only != id) {
            return Ok(Verdict::Hold);
        }
        let task = message.task();
        Ok(match self.known(&id).await? {
            Known::Over => Verdict::Drop,
            Known::Unknown => Verdict::SetAside(format!("there is no batch {id}")),
            Known::Open(batch) if batch.digest.to_string() != message.manifest() => {
                Verdict::SetAside(format!("batch {id} has another manifest"))
            }
            Known::Open(batch) if task >= batch.manifest.task_count() => {
                Verdict::SetAside(format!("batch {id} has no task {task}"))
            }
            Known::Open(batch) if batch.has_part(task).await? => Verdict::Drop,
            Known::Open(_) => Verdict::Isolate(id, task),
        })
    }

    async fn known(&mut self, id: &BatchId) -> Result<&Known, BatchError> {
        if !self.batches.contains_key(id) {
            let known = match StoredBatch::find(self.store, Layout::of(id)).await {
                Ok(Some(batch)) if batch.state().await? == State::Open => Known::Open(Box::new(batch)),
                Ok(Some(_)) | Err(BatchError::Deleted { .. }) => Known::Over,
                Ok(None) => Known::Unknown,
                Err(error) => return Err(error),
            };
            self.batches.insert(id.clone(), known);
        }
        Ok(&self.batches[id])
    }

    fn open(&self, id: &BatchId) -> Option<&StoredBatch> {
        match self.batches.get(id) {
            Some(Known::Open(batch)) => Some(batch),
            _ => None,
        }
    }
}
