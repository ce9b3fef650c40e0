//! `producer verify`: manifest against results, line by line, in bounded memory. Nothing is believed: every image file is
//! digested, every row compared with its image, every Parquet row with its part, every sum added up again.

mod findings;
mod parquet_rows;
mod results_file;
mod task;
#[cfg(test)]
mod tests;
mod totals;

use std::io::{self, Write};

use batch::{BatchError, IMAGES_PER_FILE, Row, State, StoredBatch, Summary};
use futures::{Stream, StreamExt, stream};
use program::Failure;

use crate::cli::VerifyArgs;
use crate::display::{count, counted};
use findings::{Findings, Kind};
use results_file::ResultsFile;
use task::CheckedTask;

/// Parts read ahead.
const AHEAD: usize = 16;

/// Prints what is wrong with the results of a batch, and a verdict; fails with 1 if anything is.
pub async fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let batch = args.store.batch(&args.batch).await?;
    let state = batch.state().await?;
    let findings = Findings::new(args.limit);
    let summary = inspect(&batch, state, &findings).await?;
    let verdict = verdict(&batch, state, &summary, &findings);
    writeln!(io::stdout(), "{verdict}")?;
    if findings.is_empty() && state == State::Finished {
        return Ok(());
    }
    Err(Failure::new(Failure::WRONG, ""))
}

/// Looks at everything; gives the sums of the rows that are in their places.
async fn inspect(batch: &StoredBatch, state: State, findings: &Findings) -> Result<Summary, Failure> {
    check_images(batch, findings).await?;
    let summary = check_rows(batch, state, findings).await?;
    if state == State::Finished {
        totals::check(batch, &summary, findings).await?;
    }
    Ok(summary)
}

/// Digests every image file.
async fn check_images(batch: &StoredBatch, findings: &Findings) -> Result<(), Failure> {
    match batch.images.verify().await {
        Ok(()) => Ok(()),
        Err(error @ BatchError::Damaged { .. }) => findings.add(Kind::Wrong, &error),
        Err(error) => Err(error.into()),
    }
}

/// Compares every row with its image, and with its Parquet row where there is a file; sums up the rows.
async fn check_rows(batch: &StoredBatch, state: State, findings: &Findings) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    let mut rows = Box::pin(rows(batch, findings.clone()));
    let mut row = rows.next().await.transpose()?;
    for file in 0..batch.finisher().file_count() {
        let mut results = ResultsFile::open(batch, file, state, findings).await?;
        let end = (file + 1) * IMAGES_PER_FILE;
        while let Some((index, found)) = row.take_if(|(index, _)| *index < end) {
            results.compare(index, found.as_ref(), findings).await?;
            if let Some(found) = &found {
                summary.add(index, found);
            }
            row = rows.next().await.transpose()?;
        }
        results.end(findings).await?;
    }
    Ok(summary)
}

/// Every image of the batch with the row that its part has for it, if there is one.
fn rows(batch: &StoredBatch, findings: Findings) -> impl Stream<Item = Result<(u64, Option<Row>), Failure>> {
    let tasks = stream::iter(0..batch.manifest.task_count());
    let tasks = tasks.map(|task| CheckedTask::read(batch, task)).buffered(AHEAD);
    tasks.flat_map(move |task| {
        let rows: Vec<_> = match task.and_then(|task| task.report(&findings).map(|()| task)) {
            Ok(task) => task.images.zip(task.rows).map(Ok).collect(),
            Err(failure) => vec![Err(failure)],
        };
        stream::iter(rows)
    })
}

/// `photos: 5,000 images = 4,990 ok + 10 failed; 0 missing, 0 duplicate, 0 out of order, 0 wrong`
fn verdict(batch: &StoredBatch, state: State, summary: &Summary, findings: &Findings) -> String {
    let id = &batch.manifest.batch;
    let images = batch.manifest.image_count();
    let sum = format!("{}, {} ok + {} failed", counted(images, "image"), count(summary.ok), count(summary.failed));
    let state = match state {
        State::Finished => "",
        State::Open => "; it is not finished",
        State::Cancelled => "; it was cancelled",
    };
    format!("{id}: {sum}; {findings}{state}")
}
