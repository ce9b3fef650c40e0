//! What the queue of a batch says of itself. The queue is no truth, so its silence is shown and is no error.

use std::time::Duration;

use batch::QueueName;
use program::Failure;
use queue::{Admin, Broker, QueueError};
use serde::Serialize;

use crate::places::Queue;

/// A person waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a queue says of itself; it serves all of its batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct QueueState {
    pub(super) name: String,
    /// Messages that wait for a worker.
    pub(super) waiting: Option<u32>,
    pub(super) consumers: Option<u32>,
    pub(super) dead_letters: Option<u32>,
    /// Why it says nothing.
    pub(super) error: Option<String>,
}

/// A connection kept from one look to the next.
pub(super) struct QueueLook {
    name: String,
    admin: Admin,
}

impl QueueLook {
    pub(super) fn new(broker: Broker, name: &QueueName) -> Result<Self, Failure> {
        let queue = Queue::new(broker.with_connect_timeout(PATIENCE), name)?;
        Ok(Self { name: name.to_string(), admin: queue.admin() })
    }

    pub(super) async fn look(&mut self) -> QueueState {
        let nothing =
            QueueState { name: self.name.clone(), waiting: None, consumers: None, dead_letters: None, error: None };
        match self.ask().await {
            Ok((waiting, consumers, dead)) => {
                QueueState { waiting: Some(waiting), consumers: Some(consumers), dead_letters: Some(dead), ..nothing }
            }
            Err(error) => QueueState { error: Some(error.to_string()), ..nothing },
        }
    }

    async fn ask(&mut self) -> Result<(u32, u32, u32), QueueError> {
        let depth = self.admin.depth().await?;
        Ok((depth.ready, depth.consumers, self.admin.dead_depth().await?.ready))
    }
}
