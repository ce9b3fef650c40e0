//! `--history`: the runs of a pipeline, with what each took and how far its batch is.

use std::io::{self, BufWriter, Write};

use batch::{BatchError, BatchId, Layout, State, StoredBatch};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use program::Failure;
use serde::Serialize;

use super::pipeline::Pipeline;
use super::run_file::Counts;
use crate::display::{bytes, count, table};
use crate::formats::Shape;

/// Runs looked at at a time.
const AT_ONCE: usize = 16;

/// What is said of one run.
#[derive(Debug, Serialize)]
struct Entry {
    run: u64,
    batch: BatchId,
    state: Phase,
    made: Timestamp,
    backfill: bool,
    images: u64,
    #[serde(flatten)]
    counts: Counts,
    source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    /// Not in the ledger: the next `etl` goes on with it.
    Begun,
    Open,
    Finished,
    Cancelled,
    Deleted,
}

pub(super) async fn show(pipeline: &Pipeline, shape: Shape) -> Result<(), Failure> {
    let mut runs = Vec::new();
    let mut listing = pipeline.store.list(&format!("{}runs/", pipeline.layout.prefix()), None);
    while let Some(page) = listing.page().await? {
        runs.extend(page.iter().filter_map(|key| pipeline.layout.run_of_key(key.as_str())));
    }
    let in_ledger = pipeline.last_in_ledger(runs.last().copied().unwrap_or(0)).await?;
    let mut looks = stream::iter(runs).map(|run| look(pipeline, run, run <= in_ledger)).buffered(AT_ONCE);
    let mut out = BufWriter::new(io::stdout());
    match shape {
        Shape::Json => {
            while let Some(entry) = looks.try_next().await? {
                serde_json::to_writer(&mut out, &entry).map_err(io::Error::from)?;
                writeln!(out)?;
            }
        }
        Shape::Table => {
            let heading = ["RUN", "BATCH", "STATE", "MADE", "IMAGES", "NEW", "OVERWRITTEN", "AGAIN", "SIZE"];
            let mut rows = vec![heading.map(String::from)];
            while let Some(entry) = looks.try_next().await? {
                rows.push(entry.row());
            }
            write!(out, "{}", table(&rows))?;
        }
    }
    Ok(out.flush()?)
}

async fn look(pipeline: &Pipeline, run: u64, in_ledger: bool) -> Result<Entry, Failure> {
    let run = pipeline.run(run).await?;
    let named = if in_ledger { pipeline.named(run.batch()).await? } else { None };
    let (batch, state) = match named {
        Some(named) => (named.batch.clone(), state(pipeline, &named.batch).await?),
        None => (run.batch().clone(), Phase::Begun),
    };
    Ok(Entry {
        run: run.run,
        batch,
        state,
        made: run.made,
        backfill: run.backfill,
        images: run.manifest.image_count(),
        counts: run.counts,
        source: run.manifest.arguments.into_iter().next().unwrap_or_default(),
    })
}

async fn state(pipeline: &Pipeline, batch: &BatchId) -> Result<Phase, Failure> {
    match StoredBatch::find(&pipeline.store, Layout::of(batch)).await {
        Ok(Some(batch)) => Ok(match batch.state().await? {
            State::Open => Phase::Open,
            State::Finished => Phase::Finished,
            State::Cancelled => Phase::Cancelled,
        }),
        Ok(None) | Err(BatchError::Deleted { .. }) => Ok(Phase::Deleted),
        Err(error) => Err(error.into()),
    }
}

impl Entry {
    fn row(&self) -> [String; 9] {
        let Counts { new, overwritten, again, bytes: size, .. } = self.counts;
        [
            self.run.to_string(),
            self.batch.to_string(),
            format!("{:?}", self.state).to_lowercase(),
            self.made.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            count(self.images),
            count(new),
            count(overwritten),
            count(again),
            bytes(size),
        ]
    }
}
