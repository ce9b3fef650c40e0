//! What is published, how patiently, and what came of it.

use std::time::Duration;

use crate::headers::Headers;
use crate::message::TaskMessage;

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The bytes; for tasks see [`TaskMessage::encode`].
    pub body: Vec<u8>,
    /// Headers that pass with it, such as `traceparent`.
    pub headers: Headers,
}

impl Outgoing {
    /// Any bytes, as for putting a message back unchanged.
    pub fn raw(body: Vec<u8>) -> Outgoing {
        Outgoing { body, headers: Headers::new() }
    }

    /// The same message with these headers.
    pub fn with_headers(mut self, headers: Headers) -> Outgoing {
        self.headers = headers;
        self
    }
}

impl From<&TaskMessage> for Outgoing {
    fn from(message: &TaskMessage) -> Outgoing {
        Outgoing::raw(message.encode())
    }
}

/// How patient a publisher is.
#[derive(Debug, Clone, Copy)]
pub struct PublisherOptions {
    /// At most so many messages are sent and not confirmed; twice as many are in memory.
    pub window: usize,
    /// A broker that neither confirms nor blocks for so long counts as lost.
    pub confirm_timeout: Duration,
    /// So long may the broker block publishing because of its memory or disk alarm.
    pub blocked_timeout: Duration,
    /// So long is the broker tried again without any progress.
    pub patience: Duration,
}

impl Default for PublisherOptions {
    fn default() -> PublisherOptions {
        let minute = Duration::from_secs(60);
        PublisherOptions {
            window: 2048,
            confirm_timeout: minute / 2,
            blocked_timeout: 2 * minute,
            patience: 2 * minute,
        }
    }
}

/// What a publisher did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// Messages that are surely on the queue.
    pub messages: u64,
    /// Sends that were repeated because their fate was unknown: so many duplicates there may be, which do no harm.
    pub repeated: u64,
}
