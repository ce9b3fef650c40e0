//! `producer results`: the rows of a batch as a stream, its counts, or its report.

mod filter;
mod print;
mod report;
pub(crate) mod sums;

use std::io::{self, IsTerminal};

use batch::{Row, StoredBatch};
use futures::{Stream, StreamExt, stream};
use program::Failure;

use crate::cli::ResultsArgs;
use crate::display::counted;
use crate::formats::RowFormat;
use filter::Filter;
use print::Printer;

/// Parts read ahead.
const AHEAD: usize = 16;

/// Prints what is asked for; a batch that is not finished shows what it has.
pub async fn run(args: &ResultsArgs) -> Result<(), Failure> {
    let batch = args.store.batch(&args.batch).await?;
    let format = args.format.unwrap_or(if io::stdout().is_terminal() { RowFormat::Table } else { RowFormat::Jsonl });
    if let Some(file) = &args.report {
        return report::write(&batch, file).await;
    }
    if args.summary {
        return sums::print(&batch, format).await;
    }
    print_rows(&batch, &Filter::of(args), Printer::new(format)?, args.limit.unwrap_or(u64::MAX)).await
}

async fn print_rows(batch: &StoredBatch, filter: &Filter<'_>, mut printer: Printer, limit: u64) -> Result<(), Failure> {
    let (mut seen, mut printed) = (0, 0);
    let mut parts = Box::pin(parts(batch));
    while let Some(part) = parts.next().await {
        for (_, row) in part? {
            seen += 1;
            if printed < limit && filter.takes(&row) {
                printer.print(&row)?;
                printed += 1;
            }
        }
        if printed >= limit {
            return printer.finish();
        }
    }
    printer.finish()?;
    let left = batch.manifest.image_count() - seen;
    if left > 0 {
        tracing::warn!(batch = %batch.manifest.batch, "{} have no rows yet; see `producer status`", counted(left, "image"));
    }
    Ok(())
}

/// The rows of every part that is there, in the order of the images, each with its image's index.
pub(crate) fn parts(batch: &StoredBatch) -> impl Stream<Item = Result<Vec<(u64, Row)>, Failure>> {
    let listing = batch.store().list(&batch.layout().parts(), None);
    let tasks = listing.flat_map(|page| {
        let tasks = match page {
            Ok(keys) => keys.iter().filter_map(|key| batch.layout().task_of_part(key.as_str())).map(Ok).collect(),
            Err(error) => vec![Err(Failure::from(error))],
        };
        stream::iter(tasks)
    });
    let count = batch.manifest.task_count();
    let tasks = tasks.filter(move |task| futures::future::ready(task.as_ref().map_or(true, |task| *task < count)));
    let read = async |task: Result<u64, Failure>| {
        let (images, part) = batch.part(task?).await?;
        Ok(images.zip(part.rows).collect())
    };
    tasks.map(read).buffered(AHEAD)
}
