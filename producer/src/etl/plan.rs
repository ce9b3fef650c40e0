//! `--dry-run`: what `etl` would do. Writes nothing into the store.

use std::io::{self, BufWriter, Write};

use batch::BatchId;
use ledger::{Known, Ledger};
use program::Failure;
use store::Store;

use super::args::EtlArgs;
use super::carry;
use super::fresh::{Fresh, Source};
use super::pipeline::Pipeline;
use crate::display::{bytes, count, counted, printable};

/// Images that are named.
const SHOWN: usize = 20;

pub(super) async fn show(pipeline: &Pipeline, args: &EtlArgs, source: &Source, batch: &BatchId) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout());
    let last = pipeline.last().await?;
    let in_ledger = pipeline.last_in_ledger(last).await?;
    let mut segments = pipeline.ledger.segments(in_ledger).await?;
    // What is not in the ledger yet counts all the same: in a ledger on this machine.
    let folder = tempfile::tempdir().map_err(|error| Failure::unavailable(format!("a temporary folder: {error}")))?;
    let scratch = Ledger::new(Store::open(&folder.path().to_string_lossy()).await?, "");
    let mut is_named = pipeline.named(batch).await?.is_some();
    for (run, at) in (in_ledger + 1..=last).zip(1..) {
        let run = pipeline.run(run).await?;
        let images = counted(run.manifest.image_count(), "image");
        writeln!(out, "would first finish run {}: batch {}, {images}", run.run, run.batch())?;
        carry::enter(pipeline, &run, scratch.leaf(at).await?).await?;
        segments.extend(scratch.segment(at).await?);
        is_named |= run.batch() == batch;
    }
    if is_named {
        writeln!(out, "a run of {} has batch {batch} already: would add nothing", pipeline.name)?;
        return Ok(out.flush()?);
    }
    let mut fresh = Fresh::list(args, source, Known::new(segments).await?).await?;
    let (mut images, mut first) = (0_u64, Vec::new());
    while let Some(image) = fresh.next().await? {
        images += 1;
        if first.len() < SHOWN {
            first.push(image.uri);
        }
    }
    let counts = fresh.finish().await?;
    if images == 0 {
        writeln!(out, "nothing new below {source}: {}, all in earlier runs", counted(counts.listed, "object"))?;
        return Ok(out.flush()?);
    }
    let tasks = images.div_ceil(args.settings.task_size.into());
    writeln!(out, "would make run {} of {}: batch {batch} in {}", last + 1, pipeline.name, args.store.store)?;
    writeln!(
        out,
        "  images  {}, {} ({} new, {} overwritten, {} again)",
        count(images),
        bytes(counts.bytes),
        count(counts.new),
        count(counts.overwritten),
        count(counts.again)
    )?;
    writeln!(out, "  tasks   {} of {} images, to queue {}", count(tasks), args.settings.task_size, args.queue)?;
    for uri in &first {
        writeln!(out, "  {}", printable(uri))?;
    }
    if images > first.len() as u64 {
        writeln!(out, "  … and {} more", count(images - first.len() as u64))?;
    }
    Ok(out.flush()?)
}
