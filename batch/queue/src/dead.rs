//! Reading dead letters one by one, so that they can be published again.

use std::sync::Arc;

use lapin::Channel;
use lapin::options::BasicGetOptions;

use crate::broker::{Broker, Link, within};
use crate::delivery::{Delivery, Holdings};
use crate::error::QueueError;
use crate::topology::Topology;

/// Reads the dead letters of a queue. What was taken and not acked returns to them when this is closed or dropped:
/// publish a letter again first, then ack it.
pub struct DeadLetters {
    dead: String,
    link: Link,
    channel: Channel,
    holdings: Arc<Holdings>,
}

impl DeadLetters {
    /// Connects.
    ///
    /// # Errors
    /// `Unavailable` or `Config`, as the broker answers.
    pub async fn open(broker: &Broker, topology: &Topology) -> Result<DeadLetters, QueueError> {
        let link = broker.connect("dead letters").await?;
        let channel = link.channel().await?;
        let (holdings, _closed) = Holdings::new(1);
        Ok(DeadLetters { dead: topology.dead().to_owned(), link, channel, holdings })
    }

    /// Takes up to `max` letters; fewer when there are no more. Those taken and not acked do not come twice.
    ///
    /// # Errors
    /// `Missing` when there is no queue of dead letters, `Unavailable` when the broker is lost.
    pub async fn take(&mut self, max: usize) -> Result<Vec<Delivery>, QueueError> {
        let mut letters = Vec::new();
        while letters.len() < max {
            let getting = self.channel.basic_get(self.dead.as_str().into(), BasicGetOptions::default());
            match within("reading dead letters", &self.dead, getting).await? {
                Some(letter) => letters.push(Delivery::new(letter.delivery, &self.holdings)),
                None => break,
            }
        }
        Ok(letters)
    }

    /// Closes; letters that were not acked return.
    pub async fn close(self) {
        self.link.close().await;
        self.holdings.end();
    }
}
