//! `--summary`: the counts of a batch, those of its parts while it is not finished.

use std::io::{self, BufWriter, Write};

use batch::{StoredBatch, Summary};
use futures::StreamExt;
use program::Failure;

use crate::display::{count, printable, table};
use crate::formats::RowFormat;

/// Largest summary that is read, in bytes.
const LARGEST: u64 = 64 << 20;
/// Classes that a table names.
const CLASSES: usize = 30;

/// The stored summary, or that of the rows that are there.
pub(crate) async fn of(batch: &StoredBatch) -> Result<Summary, Failure> {
    let key = batch.layout().summary()?;
    if let Some(text) = batch.store().get(&key, LARGEST).await? {
        return serde_json::from_slice(&text).map_err(|error| Failure::usage(format!("{key} is damaged: {error}")));
    }
    let mut summary = Summary::default();
    let mut parts = Box::pin(super::parts(batch));
    while let Some(part) = parts.next().await {
        part?.iter().for_each(|(index, row)| summary.add(*index, row));
    }
    Ok(summary)
}

pub(super) async fn print(batch: &StoredBatch, format: RowFormat) -> Result<(), Failure> {
    let summary = of(batch).await?;
    let mut out = BufWriter::new(io::stdout());
    match format {
        RowFormat::Jsonl => {
            serde_json::to_writer(&mut out, &summary).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        RowFormat::Csv => return Err(Failure::usage("--summary is a table or, with --format jsonl, a JSON object")),
        RowFormat::Table => write!(out, "{}", text(batch, &summary))?,
    }
    Ok(out.flush()?)
}

fn text(batch: &StoredBatch, summary: &Summary) -> String {
    let line = |name: &str, number: u64| [name.to_owned(), count(number)];
    let mut rows = vec![line("images", batch.manifest.image_count())];
    rows.extend([line("ok", summary.ok), line("failed", summary.failed)]);
    if summary.warnings > 0 {
        rows.push(line("ok, but truncated", summary.warnings));
    }
    let left = batch.manifest.image_count().saturating_sub(summary.images);
    if left > 0 {
        rows.push(line("without a row yet", left));
    }
    rows.extend(summary.errors.iter().map(|(code, number)| line(&format!("error {code}"), *number)));
    let mut classes: Vec<_> = summary.classes.iter().collect();
    classes.sort_by_key(|(label, number)| (std::cmp::Reverse(**number), *label));
    rows.extend(classes.iter().take(CLASSES).map(|(label, number)| line(&printable(label), **number)));
    if classes.len() > CLASSES {
        let rest = classes[CLASSES..].iter().map(|(_, number)| **number).sum();
        rows.push(line(&format!("{} more classes", classes.len() - CLASSES), rest));
    }
    table(&rows)
}
