//! `producer cancel`: a batch is given up.

use std::io::{self, Write};

use batch::State;
use program::Failure;

use crate::cli::CancelArgs;
use crate::display::count;

/// Marks the batch as cancelled: workers drop its messages, what is done stays readable.
pub async fn run(args: &CancelArgs) -> Result<(), Failure> {
    let batch = args.store.batch(&args.batch).await?;
    let finished = || Failure::usage(format!("batch {} is finished, and stays so", args.batch));
    if batch.state().await? == State::Finished {
        batch.close_marker().await?;
        return Err(finished());
    }
    // It may have been finished in this very moment.
    if batch.cancel().await? == State::Finished {
        return Err(finished());
    }
    let tasks = batch.manifest.task_count();
    let done = tasks - batch.missing(0, usize::MAX).await?.len() as u64;
    writeln!(
        io::stdout(),
        "{}: cancelled; {} of {} tasks are done and readable",
        args.batch,
        count(done),
        count(tasks)
    )?;
    Ok(())
}
