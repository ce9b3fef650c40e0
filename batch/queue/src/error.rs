//! What can go wrong with the queue, by what the caller does about it: give up, or come back later.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

/// A failure of the queue; the text names the thing and, for configuration, the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Trying again does not help: the URL, the rights or the declared arguments are wrong.
    #[error("{what}: {remedy}")]
    Config {
        /// What is wrong, as the broker or we found it.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// The queue is not there: never declared, or deleted.
    #[error("queue `{queue}` does not exist on the broker: run `producer setup`")]
    Missing {
        /// The queue's name.
        queue: String,
    },
    /// The broker cannot be reached or does not answer; it may later.
    #[error("RabbitMQ is unavailable: {0}")]
    Unavailable(String),
}

impl QueueError {
    /// The exit code of a program that ends with this error: 64 (do not retry) or 75 (come back later).
    pub fn exit_code(&self) -> u8 {
        match self {
            QueueError::Config { .. } | QueueError::Missing { .. } => 64,
            QueueError::Unavailable(_) => 75,
        }
    }

    /// Whether the same call may succeed later without a change by a person.
    pub fn is_transient(&self) -> bool {
        matches!(self, QueueError::Unavailable(_))
    }

    pub(crate) fn config(what: impl Into<String>, remedy: impl Into<String>) -> QueueError {
        QueueError::Config { what: what.into(), remedy: remedy.into() }
    }

    pub(crate) fn timeout(what: &str, after: Duration) -> QueueError {
        QueueError::Unavailable(format!("{what} took longer than {after:?}"))
    }

    /// Classes an error of the client library that came up while doing `what` with `queue`.
    pub(crate) fn from_lapin(what: &str, queue: &str, error: &lapin::Error) -> QueueError {
        let protocol = match error.kind() {
            ErrorKind::ProtocolError(protocol) => protocol,
            ErrorKind::IOError(io) if io.kind() == std::io::ErrorKind::InvalidData => return tls(what, io),
            _ => return QueueError::Unavailable(format!("{what}: {error}")),
        };
        let text = protocol.get_message().to_string();
        match protocol.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => QueueError::Missing { queue: queue.to_owned() },
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => QueueError::config(
                format!("{what}: {text}"),
                "check user and password in the AMQP URL, and the user's rights on the virtual host",
            ),
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => QueueError::config(
                format!("{what}: {text}"),
                "check the virtual host in the AMQP URL and the user's rights on it",
            ),
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) if text.contains("inequivalent") => {
                QueueError::config(
                    format!("{what}: it exists with other arguments ({text})"),
                    "delete it on the broker when nothing in it is needed, or use another queue name",
                )
            }
            _ => QueueError::Unavailable(format!("{what}: {error}")),
        }
    }
}

/// A certificate that does not verify stays so until somebody changes something.
fn tls(what: &str, error: &std::io::Error) -> QueueError {
    QueueError::config(
        format!("{what}: TLS: {error}"),
        "name the private CA's certificate (PEM), or correct the host name in the AMQP URL",
    )
}
