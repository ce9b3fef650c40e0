//! Publishing with proof: a message counts when the broker has confirmed it and has not returned it.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use retry::{Limit, Policy, Schedule};

use crate::broker::{Broker, Link, within};
use crate::error::QueueError;
use crate::headers;
use crate::outgoing::{Outgoing, Published, PublisherOptions};
use crate::patience::{Stall, patiently};
use crate::topology::Topology;
use crate::window::{Pending, Window};

/// Sent in vain this often, a message ends the publishing.
const MAX_TRIES: u32 = 20;
/// A missing queue is a matter of configuration; a worker may just be declaring it again, though.
const MAX_UNROUTABLE: u32 = 5;
const PERSISTENT: u8 = 2;

/// A publisher on a connection of its own, since a blocked connection would not write acks either.
pub struct Publisher {
    broker: Broker,
    queue: String,
    options: PublisherOptions,
    wire: Option<Wire>,
    window: Window<PublisherConfirm>,
    backlog: VecDeque<Pending>,
    done: Published,
    trouble: Option<Schedule>,
}

struct Wire {
    link: Link,
    channel: Channel,
}

impl Publisher {
    /// For the queue of `topology`; connects with the first message.
    pub fn new(broker: &Broker, topology: &Topology, options: PublisherOptions) -> Publisher {
        Publisher {
            broker: broker.clone(),
            queue: topology.queue().to_owned(),
            options,
            wire: None,
            window: Window::new(options.window),
            backlog: VecDeque::new(),
            done: Published::default(),
            trouble: None,
        }
    }

    /// Publishes all of `messages` and waits until each is surely on the queue. Memory is bounded by the window.
    ///
    /// # Errors
    /// `Missing` when the queue does not exist, `Config` when this user may not publish, `Unavailable` after the
    /// patience of [`PublisherOptions`]. What was published until then stays published.
    pub async fn publish_all(&mut self, messages: impl Stream<Item = Outgoing>) -> Result<Published, QueueError> {
        let mut messages = pin!(messages);
        while let Some(message) = messages.next().await {
            self.publish(message).await?;
        }
        self.flush().await
    }

    /// Sends one message; waits only while the window is full. It is certain after [`Publisher::flush`].
    ///
    /// # Errors
    /// As [`Publisher::publish_all`]; the message of an earlier call may be the reason.
    pub async fn publish(&mut self, message: Outgoing) -> Result<(), QueueError> {
        self.backlog.push_back(Pending { message, tries: 0 });
        while !self.backlog.is_empty() {
            self.step().await?;
            self.count().await?;
        }
        Ok(())
    }

    /// Waits until everything is surely on the queue; the counts are those since the last flush.
    ///
    /// # Errors
    /// As [`Publisher::publish_all`].
    pub async fn flush(&mut self) -> Result<Published, QueueError> {
        while !self.backlog.is_empty() || !self.window.is_settled() {
            self.step().await?;
            self.count().await?;
        }
        Ok(std::mem::take(&mut self.done))
    }

    /// Closes the connection; unflushed messages may be lost.
    pub async fn close(self) {
        if let Some(wire) = self.wire {
            wire.link.close().await;
        }
    }

    /// Sends the next message if there is room, else waits for the oldest confirm.
    async fn step(&mut self) -> Result<(), QueueError> {
        if self.wire.as_ref().is_some_and(|wire| !wire.link.is_open()) {
            return self.lose(QueueError::Unavailable("the connection was lost".into())).await;
        }
        match self.backlog.pop_front() {
            Some(pending) if self.window.has_room() => self.send(pending).await,
            Some(pending) => {
                self.backlog.push_front(pending);
                self.settle_oldest().await
            }
            None => self.settle_oldest().await,
        }
    }

    /// Counts what is certain by now; what turned out to have no queue is sent again.
    async fn count(&mut self) -> Result<(), QueueError> {
        let certain = self.window.certain();
        self.done.messages += certain.published;
        if certain.unroutable.is_empty() {
            return Ok(());
        }
        let missing = QueueError::Missing { queue: self.queue.clone() };
        for pending in certain.unroutable {
            self.again(pending, MAX_UNROUTABLE, &missing)?;
        }
        self.pause(missing).await
    }

    async fn send(&mut self, pending: Pending) -> Result<(), QueueError> {
        let wire = match self.wire().await {
            Ok(wire) => wire,
            Err(error) => {
                self.backlog.push_front(pending);
                return if error.is_transient() { self.pause(error).await } else { Err(error) };
            }
        };
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into())
            .with_message_id(self.window.next_id().to_string().into())
            .with_headers(headers::to_table(&pending.message.headers));
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let queue = self.queue.as_str().into();
        let sending = wire.channel.basic_publish("".into(), queue, options, &pending.message.body, properties);
        let sent = patiently(&wire.link, &self.options, sending).await;
        self.wire = Some(wire);
        match sent {
            Ok(Ok(confirm)) => {
                self.window.sent(pending, confirm);
                Ok(())
            }
            Ok(Err(error)) => {
                let error = QueueError::from_lapin("publishing", &self.queue, &error);
                self.again(pending, MAX_TRIES, &error)?;
                self.lose(error).await
            }
            Err(stall) => {
                self.again(pending, MAX_TRIES, stall.error())?;
                self.stalled(stall).await
            }
        }
    }

    async fn settle_oldest(&mut self) -> Result<(), QueueError> {
        let Some((id, pending, mut confirm)) = self.window.oldest() else { return Ok(()) };
        let Some(wire) = &self.wire else {
            return self.again(pending, MAX_TRIES, &QueueError::Unavailable("the connection was lost".into()));
        };
        match patiently(&wire.link, &self.options, &mut confirm).await {
            Ok(Ok(confirmation)) => {
                if self.judge(id, pending, confirmation)? {
                    return Ok(());
                }
                self.pause(QueueError::Unavailable("the broker refuses messages".into())).await
            }
            Ok(Err(error)) => {
                let error = QueueError::from_lapin("waiting for a confirm", &self.queue, &error);
                self.again(pending, MAX_TRIES, &error)?;
                self.lose(error).await
            }
            Err(stall) => {
                self.again(pending, MAX_TRIES, stall.error())?;
                self.stalled(stall).await
            }
        }
    }

    /// Whether the broker took the message over; a returned one is found out by the window.
    fn judge(&mut self, id: u64, pending: Pending, confirmation: Confirmation) -> Result<bool, QueueError> {
        let (is_ack, message) = (confirmation.is_ack(), confirmation.take_message());
        let returned = message.as_ref().map(|message| message.properties.message_id().as_ref());
        match returned {
            Some(returned) => {
                let returned = returned.and_then(|id| id.as_str().parse().ok());
                // A return without our id can only be this message's own.
                self.window.returned(returned.unwrap_or(id));
            }
            None if is_ack => self.trouble = None,
            None => {}
        }
        if is_ack {
            self.window.confirmed(id, pending);
        } else {
            self.again(pending, MAX_TRIES, &QueueError::Unavailable("the broker refuses messages".into()))?;
        }
        Ok(is_ack)
    }

    /// Gives the connection up. Confirms that had come count, everything else is sent again.
    async fn lose(&mut self, error: QueueError) -> Result<(), QueueError> {
        self.wire = None;
        while let Some((id, pending, confirm)) = self.window.oldest() {
            match confirm.now_or_never() {
                Some(Ok(confirmation)) => drop(self.judge(id, pending, confirmation)?),
                _ => self.again(pending, MAX_TRIES, &error)?,
            }
        }
        if error.is_transient() { self.pause(error).await } else { Err(error) }
    }

    async fn stalled(&mut self, stall: Stall) -> Result<(), QueueError> {
        match stall {
            Stall::Blocked(error) => Err(error),
            Stall::Silent(error) => self.lose(error).await,
        }
    }

    fn again(&mut self, mut pending: Pending, limit: u32, error: &QueueError) -> Result<(), QueueError> {
        pending.tries += 1;
        if pending.tries >= limit {
            return Err(error.clone());
        }
        self.done.repeated += 1;
        self.backlog.push_back(pending);
        Ok(())
    }

    /// Waits before the next attempt, or ends with `error` when there was no progress for too long.
    async fn pause(&mut self, error: QueueError) -> Result<(), QueueError> {
        let policy = Policy {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(5),
            limit: Limit::Elapsed(self.options.patience),
        };
        let Some(delay) = self.trouble.get_or_insert_with(|| policy.schedule()).next() else { return Err(error) };
        tracing::warn!(%error, queue = self.queue, delay_ms = delay.as_millis() as u64, "publishing again");
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// The connection, taken out; a new one if there is none that works.
    async fn wire(&mut self) -> Result<Wire, QueueError> {
        if let Some(wire) = self.wire.take_if(|wire| wire.link.is_open()) {
            return Ok(wire);
        }
        let link = self.broker.connect("publish").await?;
        let channel = link.channel().await?;
        within("asking for confirms", &self.queue, channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Wire { link, channel })
    }
}
