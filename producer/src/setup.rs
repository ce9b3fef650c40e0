//! `producer setup`: buckets are made where asked, the queue is declared, and the store is tried.

use std::io::{self, Write};

use program::Failure;
use store::Created;

use crate::cli::SetupArgs;
use crate::places::Queue;

/// Tries the store, then declares the queue and its dead letters. Changes nothing that is right already.
pub async fn run(args: &SetupArgs) -> Result<(), Failure> {
    for bucket in &args.buckets {
        let made = store::create_bucket(bucket, &args.store.options()).await?;
        writeln!(io::stdout(), "bucket {bucket}: {}", if made == Created::Now { "made" } else { "there already" })?;
    }
    let store = args.store.open().await?;
    store.probe().await?;
    writeln!(io::stdout(), "store {store}: can be written, creates only what is absent")?;
    let queue = Queue::new(args.broker.broker()?, &args.queue)?;
    let mut admin = queue.admin();
    admin.declare().await?;
    let depth = admin.depth().await?;
    admin.close().await;
    let place = queue.broker.url();
    writeln!(
        io::stdout(),
        "queue {} at {place}: declared; {} messages, {} consumers",
        args.queue,
        depth.ready,
        depth.consumers
    )?;
    Ok(())
}
