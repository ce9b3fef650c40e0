//! A message in our hands, and the three ways to let go of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions};
use tokio::sync::{Notify, mpsc};

use crate::broker::ANSWER;
use crate::headers::{self, Headers};

/// What became of an answer to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Written to the connection that the message came on.
    Sent,
    /// That connection is gone: the broker will hand the message out again, to us or another. No error.
    Lost,
}

/// A message of the queue. One that is dropped without an answer is given back.
pub struct Delivery {
    /// The bytes, as somebody sent them.
    pub body: Vec<u8>,
    /// The string headers, such as the trace context.
    pub headers: Headers,
    attempts: u32,
    redelivered: bool,
    ticket: Ticket,
}

impl Delivery {
    /// How often the broker had handed this message out before (`max(x-acquired-count, x-delivery-count)`).
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether it was handed out before, to anybody; set even where nothing was counted.
    pub fn is_redelivered(&self) -> bool {
        self.redelivered
    }

    /// Whether an answer can still reach the broker.
    pub fn is_current(&self) -> bool {
        self.ticket.is_current()
    }

    /// Done: the broker forgets the message. Only for what is safely stored.
    pub async fn ack(self) -> Settled {
        self.ticket.settle(Answer::Ack).await
    }

    /// Not done: the message goes back to the queue and is handed out again, one attempt older.
    pub async fn give_back(self) -> Settled {
        self.ticket.settle(Answer::GiveBack).await
    }

    /// Never again: the broker moves the message to the dead letters.
    pub async fn reject(self) -> Settled {
        self.ticket.settle(Answer::Reject).await
    }

    pub(crate) fn new(delivery: lapin::message::Delivery, session: &Arc<Holdings>) -> Delivery {
        let table = delivery.properties.headers().as_ref();
        let (headers, attempts) = (headers::to_strings(table), headers::attempts(table));
        session.held.fetch_add(1, Ordering::AcqRel);
        let ticket = Ticket { acker: delivery.acker, session: session.clone(), settled: false };
        Delivery { body: delivery.data, headers, attempts, redelivered: delivery.redelivered, ticket }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Delivery");
        shown.field("bytes", &self.body.len()).field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

/// The messages that came on one connection and are not answered yet.
pub(crate) struct Holdings {
    open: AtomicBool,
    held: AtomicUsize,
    /// Wakes whoever waits for `held` to reach 0.
    pub(crate) changed: Notify,
    dropped: mpsc::Sender<Acker>,
}

impl Holdings {
    /// Of a new connection; the receiver gets what was dropped unanswered. `prefetch` bounds it, as the broker does.
    pub(crate) fn new(prefetch: u16) -> (Arc<Holdings>, mpsc::Receiver<Acker>) {
        let (dropped, returns) = mpsc::channel(usize::from(prefetch).max(1));
        let (open, held) = (AtomicBool::new(true), AtomicUsize::new(0));
        (Arc::new(Holdings { open, held, changed: Notify::new(), dropped }), returns)
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// From now on no answer is sent: the connection is gone.
    pub(crate) fn end(&self) {
        self.open.store(false, Ordering::Release);
    }
}

enum Answer {
    Ack,
    GiveBack,
    Reject,
}

/// The right to answer once, on the very connection that the message came on.
struct Ticket {
    acker: Acker,
    session: Arc<Holdings>,
    settled: bool,
}

impl Ticket {
    fn is_current(&self) -> bool {
        self.session.open.load(Ordering::Acquire) && self.acker.usable()
    }

    async fn settle(mut self, answer: Answer) -> Settled {
        if !self.is_current() {
            self.settled = true;
            return Settled::Lost;
        }
        let sending = async {
            match answer {
                Answer::Ack => self.acker.ack(BasicAckOptions::default()).await,
                Answer::GiveBack => give_back(&self.acker).await,
                Answer::Reject => self.acker.reject(BasicRejectOptions { requeue: false }).await,
            }
        };
        let sent = tokio::time::timeout(ANSWER, sending).await;
        self.settled = true;
        match sent {
            Ok(Ok(true)) => Settled::Sent,
            Ok(Ok(false) | Err(_)) | Err(_) => Settled::Lost,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled && self.is_current() {
            // Full or closed: then the end of the connection gives it back.
            let _ended = self.session.dropped.try_send(self.acker.clone());
        }
        self.session.held.fetch_sub(1, Ordering::AcqRel);
        self.session.changed.notify_one();
    }
}

/// Asks the broker to queue the message again.
pub(crate) async fn give_back(acker: &Acker) -> lapin::Result<bool> {
    acker.nack(BasicNackOptions { requeue: true, multiple: false }).await
}
