//! The messages of a batch's tasks.

use queue::{Headers, MessageError, Outgoing, TaskMessage};
use telemetry::{TRACEPARENT, TraceContext};

use crate::stored::StoredBatch;

impl StoredBatch {
    /// The trace that all tasks of the batch belong to, whoever publishes them or works on them.
    pub fn trace(&self) -> TraceContext {
        TraceContext::of_batch(&self.digest.to_string())
    }

    /// The message of one task, to be worked on as usual or image by image.
    ///
    /// # Errors
    /// None for a batch that was stored: its id and digest are what a message takes.
    pub fn message(&self, task: u64, isolated: bool) -> Result<Outgoing, MessageError> {
        let message = TaskMessage::new(self.manifest.batch.as_str(), task, &self.digest.to_string())?;
        let message = if isolated { message.isolated() } else { message };
        let trace = Headers::from([(TRACEPARENT.to_owned(), self.trace().header())]);
        Ok(Outgoing::from(&message).with_headers(trace))
    }
}
