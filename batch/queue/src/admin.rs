//! Looking at a queue and setting it up, on a connection of its own.

use lapin::Channel;
use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};
use lapin::types::FieldTable;

use crate::broker::{Broker, Link, within};
use crate::error::QueueError;
use crate::topology::Topology;

/// What a queue says about itself. Messages that a consumer holds unacked are in neither number: an empty queue is
/// no finished batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait for a consumer.
    pub ready: u32,
    /// Consumers that are subscribed.
    pub consumers: u32,
}

/// A connection for setting up and asking; it connects when first used, and again after a loss.
pub struct Admin {
    broker: Broker,
    topology: Topology,
    link: Option<Link>,
}

impl Admin {
    /// For the queue of `topology`; connects nothing yet.
    pub fn new(broker: &Broker, topology: &Topology) -> Admin {
        Admin { broker: broker.clone(), topology: topology.clone(), link: None }
    }

    /// Declares the topology, and binds the dead letters again if somebody unbound them. Changes nothing that is right.
    ///
    /// # Errors
    /// `Config` when the queue or its exchange exists with other arguments, or this user may not declare it.
    pub async fn declare(&mut self) -> Result<(), QueueError> {
        let topology = self.topology.clone();
        topology.declare(self.link().await?).await
    }

    /// Whether the queue is there.
    ///
    /// # Errors
    /// As for connecting; a missing queue is no error.
    pub async fn exists(&mut self) -> Result<bool, QueueError> {
        match self.depth().await {
            Ok(_) => Ok(true),
            Err(QueueError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waiting messages and consumers of the queue.
    ///
    /// # Errors
    /// `Missing` when there is no queue.
    pub async fn depth(&mut self) -> Result<Depth, QueueError> {
        let queue = self.topology.queue().to_owned();
        passive(&self.channel().await?, &queue).await
    }

    /// Waiting dead letters (and consumers that read them).
    ///
    /// # Errors
    /// `Missing` when there is no queue for them.
    pub async fn dead_depth(&mut self) -> Result<Depth, QueueError> {
        let dead = self.topology.dead().to_owned();
        passive(&self.channel().await?, &dead).await
    }

    /// Removes the waiting messages of the queue; those that consumers hold stay. Returns how many.
    ///
    /// # Errors
    /// `Missing` when there is no queue.
    pub async fn purge(&mut self) -> Result<u32, QueueError> {
        let queue = self.topology.queue().to_owned();
        let channel = self.channel().await?;
        let purging = channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default());
        within(&format!("purging queue `{queue}`"), &queue, purging).await
    }

    /// Deletes queue, dead letters and exchange, with all that is in them; what is gone already is no error.
    ///
    /// # Errors
    /// As for connecting.
    pub async fn delete(&mut self) -> Result<(), QueueError> {
        let (queue, dead) = (self.topology.queue().to_owned(), self.topology.dead().to_owned());
        let channel = self.channel().await?;
        for name in [&queue, &dead] {
            let deleting = channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default());
            within(&format!("deleting queue `{name}`"), name, deleting).await?;
        }
        let deleting = channel.exchange_delete(dead.as_str().into(), ExchangeDeleteOptions::default());
        within(&format!("deleting exchange `{dead}`"), &dead, deleting).await
    }

    /// Closes the connection, if there is one.
    pub async fn close(self) {
        if let Some(link) = self.link {
            link.close().await;
        }
    }

    async fn channel(&mut self) -> Result<Channel, QueueError> {
        self.link().await?.channel().await
    }

    async fn link(&mut self) -> Result<&Link, QueueError> {
        if self.link.as_ref().is_none_or(|link| !link.is_open()) {
            self.link = Some(self.broker.connect("admin").await?);
        }
        Ok(self.link.as_ref().expect("connected above"))
    }
}

/// Asks without changing anything; works on a channel of its own, since a "no" closes the channel.
pub(crate) async fn passive(channel: &Channel, queue: &str) -> Result<Depth, QueueError> {
    let options = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
    let asking = channel.queue_declare(queue.into(), options, FieldTable::default());
    let answer = within(&format!("asking for queue `{queue}`"), queue, asking).await?;
    Ok(Depth { ready: answer.message_count(), consumers: answer.consumer_count() })
}
