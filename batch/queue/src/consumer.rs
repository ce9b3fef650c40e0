//! The consumer as its user sees it: messages come, whatever happens to connections in between.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::broker::Broker;
use crate::delivery::Delivery;
use crate::error::QueueError;
use crate::session::{Order, Supervisor};
use crate::status::ConsumerStatus;
use crate::topology::Topology;

/// Closing connection and consumer after the grace takes at most about this long.
const CLOSING: Duration = Duration::from_secs(6);

/// How a consumer takes messages.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerOptions {
    /// At most so many messages are unanswered at a time (at least 1). The broker's consumer timeout (30 minutes)
    /// runs for all of them: keep this number times the longest task well below it.
    pub prefetch: u16,
    /// A consumer that gets nothing asks this often whether broker and queue are still there.
    pub probe: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> ConsumerOptions {
        ConsumerOptions { prefetch: 2, probe: Duration::from_secs(30) }
    }
}

/// What a stop left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Messages that were still unanswered; the end of the connection gave them back.
    pub unanswered: usize,
}

/// A consumer. One task behind it connects, subscribes, and does so again after every loss, with a growing, random delay.
/// Dropping it ends that task; [`Consumer::stop`] waits for it.
pub struct Consumer {
    deliveries: mpsc::Receiver<Result<Delivery, QueueError>>,
    order: watch::Sender<Order>,
    task: JoinHandle<Stopped>,
    status: ConsumerStatus,
}

impl Consumer {
    /// Starts consuming the queue of `topology` and returns at once, whether or not there is a broker. A queue that
    /// is missing is declared. Needs a tokio runtime with at least two threads, so that heartbeats never wait.
    pub fn start(broker: &Broker, topology: &Topology, options: ConsumerOptions) -> Consumer {
        let prefetch = options.prefetch.max(1);
        let (out, deliveries) = mpsc::channel(usize::from(prefetch));
        let (order, orders) = watch::channel(Order::Work);
        let status = ConsumerStatus::new();
        let supervisor = Supervisor {
            broker: broker.clone(),
            topology: topology.clone(),
            options: ConsumerOptions { prefetch, ..options },
            out,
            orders,
            status: status.clone(),
        };
        Consumer { deliveries, order, task: tokio::spawn(supervisor.run()), status }
    }

    /// The next message; waits without limit, so wrap it in a timeout. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// `Config` when the very first subscription was refused for a reason that only a person can change. Losses of
    /// the broker are no errors: they are waited out, see [`Consumer::status`].
    pub async fn next(&mut self) -> Result<Delivery, QueueError> {
        loop {
            match self.deliveries.recv().await {
                // Of a connection that is gone by now: the broker hands it out again.
                Some(Ok(delivery)) if !delivery.is_current() => {}
                Some(delivery) => return delivery,
                None => return Err(QueueError::Unavailable("the consumer has ended".into())),
            }
        }
    }

    /// A live view for metrics.
    pub fn status(&self) -> ConsumerStatus {
        self.status.clone()
    }

    /// Ends the subscription, gives back what was fetched and not yet taken by [`Consumer::next`], waits for at most
    /// `grace` until the messages in use are answered, and closes; the end of the connection gives back the rest.
    pub async fn stop(mut self, grace: Duration) -> Stopped {
        self.order.send_replace(Order::Stop { grace });
        self.deliveries.close();
        let rest = async { while self.deliveries.recv().await.is_some() {} };
        let limit = grace + CLOSING;
        let ended = tokio::time::timeout(limit, async { tokio::join!(rest, &mut self.task).1 }).await;
        match ended {
            Ok(Ok(stopped)) => stopped,
            Ok(Err(_)) | Err(_) => {
                self.task.abort();
                tracing::warn!(?limit, "the consumer did not stop in time; its connection is dropped");
                Stopped { unanswered: 0 }
            }
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // Also ends the task of a consumer that is dropped without `stop`; after one there is nothing left to stop.
        self.order.send_replace(Order::Stop { grace: Duration::ZERO });
    }
}
