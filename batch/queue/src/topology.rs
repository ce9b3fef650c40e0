//! What is declared on the broker for one queue: the only place with its arguments.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use crate::broker::{Link, within};
use crate::error::QueueError;

/// After this many returns the broker moves a message to the dead letters.
pub const DELIVERY_LIMIT: i32 = 20;

/// Dead letters are read and put back without end: no limit that matters (RabbitMQ 4 would drop them after 20 returns,
/// and what "no limit" is written as differs between versions).
const NO_LIMIT: i32 = 1_000_000_000;

const LONGEST_NAME: usize = 200;

/// The names that belong to queue `q`: the quorum queue `q`, the exchange `q.dead` and the quorum queue `q.dead` behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    queue: String,
    dead: String,
}

impl Topology {
    /// The topology of `queue`.
    ///
    /// # Errors
    /// `Config` for a name that is empty, too long, reserved, or not made of letters, digits and `-_.`.
    pub fn new(queue: &str) -> Result<Topology, QueueError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let ends = queue.ends_with(".dead") || queue.starts_with("amq.");
        if queue.is_empty() || queue.len() > LONGEST_NAME || ends || !queue.bytes().all(fits) {
            return Err(QueueError::config(
                format!("`{}` is no name for a queue", queue.escape_default()),
                "use letters, digits, `-`, `_` and `.`; names that begin with `amq.` or end with `.dead` are reserved",
            ));
        }
        Ok(Topology { queue: queue.to_owned(), dead: format!("{queue}.dead") })
    }

    /// The name of the queue.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// The name of the dead letters' exchange and queue.
    pub fn dead(&self) -> &str {
        &self.dead
    }

    /// Declares everything, binds again what was unbound, and changes nothing that is right already.
    ///
    /// # Errors
    /// `Config` when something of these names exists with other arguments.
    pub(crate) async fn declare(&self, link: &Link) -> Result<(), QueueError> {
        let channel = link.channel().await?;
        let (queue, dead) = (self.queue.as_str(), self.dead.as_str());
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let declaring = channel.exchange_declare(dead.into(), ExchangeKind::Direct, durable, FieldTable::default());
        within(&format!("declaring exchange `{dead}`"), dead, declaring).await?;
        declare_queue(&channel, dead, dead_arguments()).await?;
        let options = QueueBindOptions::default();
        let binding = channel.queue_bind(dead.into(), dead.into(), dead.into(), options, FieldTable::default());
        within(&format!("binding queue `{dead}`"), dead, binding).await?;
        declare_queue(&channel, queue, self.arguments()).await
    }

    /// Dead-lettering without loss needs all of these together.
    fn arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        let mut text = |name: &str, value: &str| {
            arguments.insert(name.into(), long(value));
        };
        text("x-queue-type", "quorum");
        text("x-dead-letter-exchange", &self.dead);
        text("x-dead-letter-routing-key", &self.dead);
        text("x-dead-letter-strategy", "at-least-once");
        text("x-overflow", "reject-publish");
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        arguments
    }
}

fn dead_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), long("quorum"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(NO_LIMIT));
    arguments
}

fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

async fn declare_queue(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), QueueError> {
    let declaring = channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments);
    within(&format!("declaring queue `{name}`"), name, declaring).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_collide_or_need_quoting_are_refused() {
        for good in ["images", "etl", "a-b_c.d2"] {
            assert_eq!(Topology::new(good).unwrap().dead(), format!("{good}.dead"));
        }
        for bad in ["", "images.dead", "amq.gen-1", "a b", "a/b", "ä", "a\n", &"q".repeat(201)] {
            assert_eq!(Topology::new(bad).unwrap_err().exit_code(), 64, "{bad:?}");
        }
    }
}
