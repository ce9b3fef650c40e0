//! Dead letters are looked after by workers that have nothing else to do, and by those that start while nothing else waits.

use std::time::{Duration, Instant};

use batch::BatchError;
use queue::{Admin, Broker, ConsumerStatus, QueueError, Topology};

use super::handler::{Handler, WorkError};
use super::idle::jittered;
use crate::observe::{LetterEnd, metrics};

/// T where no batch is open: what its default time limit makes.
const USUAL_PATIENCE: Duration = Duration::from_secs(240);
/// A worker that starts is subscribed within this time, or has other worries than dead letters.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// When dead letters were looked at last.
pub(super) struct Letters {
    broker: Broker,
    next: Instant,
}

impl Letters {
    pub(super) fn new(broker: Broker) -> Self {
        Self { broker, next: Instant::now() }
    }

    /// Publishes dead letters again for isolated work, once per patience, if the queue was silent for so long though it is
    /// there. What is missing of the topology is declared first: without its binding, the broker cannot let go of
    /// a message that came back too often.
    pub(super) async fn revive(
        &mut self,
        handler: &Handler,
        status: &ConsumerStatus,
        patience: Option<Duration>,
    ) -> Result<(), WorkError> {
        let patience = patience.unwrap_or(USUAL_PATIENCE);
        if !status.is_connected() || status.idle() < patience || Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + jittered(patience);
        self.revive_declared(handler).await.or_else(passing)
    }

    /// The same at the start of a worker, if there are dead letters and the queue has nothing else to offer: where workers
    /// live too briefly for any patience, their dead letters would wait for the end of that.
    pub(super) async fn revive_first(&self, handler: &Handler, status: &ConsumerStatus) -> Result<(), WorkError> {
        let begun = Instant::now();
        while !status.is_connected() {
            if begun.elapsed() >= SUBSCRIBED_WITHIN {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        self.revive_waiting(handler).await.or_else(passing)
    }

    async fn revive_declared(&self, handler: &Handler) -> Result<(), BatchError> {
        let mut admin = self.admin(handler)?;
        let depth = async {
            admin.declare().await?;
            Ok(admin.dead_depth().await?.ready)
        };
        let depth: Result<u32, QueueError> = depth.await;
        admin.close().await;
        match depth? {
            0 => Ok(()),
            _ => self.publish_again(handler).await,
        }
    }

    async fn revive_waiting(&self, handler: &Handler) -> Result<(), BatchError> {
        let mut admin = self.admin(handler)?;
        let only_letters = async {
            let only_letters = admin.depth().await?.ready == 0 && admin.dead_depth().await?.ready > 0;
            if only_letters {
                admin.declare().await?;
            }
            Ok(only_letters)
        };
        let only_letters: Result<bool, QueueError> = only_letters.await;
        admin.close().await;
        if only_letters? { self.publish_again(handler).await } else { Ok(()) }
    }

    async fn publish_again(&self, handler: &Handler) -> Result<(), BatchError> {
        let queue = handler.batches.queue();
        let revived = batch::revive(&handler.store, &self.broker, queue, None).await?;
        let (tasks, dropped, set_aside) = (revived.tasks(), revived.dropped, revived.set_aside);
        metrics().dead_letters(LetterEnd::Republished, tasks);
        metrics().dead_letters(LetterEnd::Dropped, dropped);
        metrics().dead_letters(LetterEnd::SetAside, set_aside);
        tracing::info!(%queue, tasks, dropped, set_aside, "dead letters were published again for isolated work");
        Ok(())
    }

    fn admin(&self, handler: &Handler) -> Result<Admin, BatchError> {
        let topology = Topology::new(handler.batches.queue().as_str())?;
        Ok(Admin::new(&self.broker, &topology))
    }
}

/// The manifest is enough; a broker that cannot do this now is asked again.
fn passing(error: BatchError) -> Result<(), WorkError> {
    match error {
        BatchError::Queue(error) => {
            tracing::warn!(%error, "dead letters were not looked at");
            Ok(())
        }
        error => Err(error.into()),
    }
}
