//! Dead letters are looked after by workers that have nothing else to do.

use std::time::{Duration, Instant};

use batch::BatchError;
use queue::{Admin, Broker, ConsumerStatus, QueueError, Topology};

use super::handler::{Handler, WorkError};
use super::idle::jittered;
use crate::observe::{LetterEnd, metrics};

/// T where no batch is open: what its default time limit makes.
const USUAL_PATIENCE: Duration = Duration::from_secs(240);

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
        match self.try_revive(handler).await {
            Ok(()) => Ok(()),
            // The manifest is enough; a broker that cannot do this now is asked again.
            Err(BatchError::Queue(error)) => {
                tracing::warn!(%error, "dead letters were not looked at");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn try_revive(&self, handler: &Handler) -> Result<(), BatchError> {
        let queue = handler.batches.queue();
        let topology = Topology::new(queue.as_str())?;
        let mut admin = Admin::new(&self.broker, &topology);
        let depth = declared(&mut admin).await;
        admin.close().await;
        if depth? == 0 {
            return Ok(());
        }
        let revived = batch::revive(&handler.store, &self.broker, queue, None).await?;
        let (tasks, dropped, set_aside) = (revived.tasks(), revived.dropped, revived.set_aside);
        metrics().dead_letters(LetterEnd::Republished, tasks);
        metrics().dead_letters(LetterEnd::Dropped, dropped);
        metrics().dead_letters(LetterEnd::SetAside, set_aside);
        tracing::info!(%queue, tasks, dropped, set_aside, "dead letters were published again for isolated work");
        Ok(())
    }
}

/// The number of dead letters, once everything is declared.
async fn declared(admin: &mut Admin) -> Result<u32, QueueError> {
    admin.declare().await?;
    Ok(admin.dead_depth().await?.ready)
}
