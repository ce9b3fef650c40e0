//! Dead letters: those with work left are published again for isolated work.

use std::io::{self, Write};

use batch::{BatchId, Revived};
use program::Failure;
use store::Store;

use crate::display::counted;
use crate::places::Queue;

/// Goes through the dead letters of `queue`, only those of batch `only` if one is given, and says what became of them.
pub(super) async fn revive(store: &Store, queue: &Queue, only: Option<&BatchId>) -> Result<Revived, Failure> {
    let revived = batch::revive(store, &queue.broker, &queue.name, only).await?;
    if revived.tasks() + revived.dropped + revived.set_aside > 0 {
        writeln!(
            io::stdout(),
            "queue {}: {} published for isolated work, {} of finished work dropped, {} set aside",
            queue.name,
            counted(revived.tasks(), "dead letter"),
            revived.dropped,
            revived.set_aside
        )?;
    }
    Ok(revived)
}
