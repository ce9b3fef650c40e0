//! `--dry-run`: what `enqueue` would do.

use std::io::{self, BufWriter, Write};

use batch::{State, StoredBatch};
use program::Failure;

use super::{Request, nothing_in};
use crate::cli::EnqueueArgs;
use crate::display::{bytes, count, counted, printable};

/// Images that are named.
const SHOWN: usize = 20;

pub(super) async fn show(args: &EnqueueArgs, request: Request, stored: Option<StoredBatch>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout());
    if let Some(batch) = stored {
        let (images, tasks) = (batch.manifest.image_count(), batch.manifest.task_count());
        writeln!(out, "{} exists, with {} in {}", args.batch, counted(images, "image"), counted(tasks, "task"))?;
        match batch.state().await? {
            State::Finished => writeln!(out, "it is finished: nothing to do")?,
            State::Cancelled => writeln!(out, "it was cancelled: use another id")?,
            State::Open => {
                let missing = batch.missing(0, usize::MAX).await?.len() as u64;
                writeln!(out, "would publish {} to queue {}", counted(missing, "missing task"), args.queue)?;
            }
        }
        return Ok(out.flush()?);
    }
    let (manifest, mut listing) = request.list();
    let (mut images, mut known_bytes, mut first) = (0_u64, 0, Vec::new());
    while let Some(image) = listing.next().await? {
        image.validate().map_err(Failure::usage)?;
        images += 1;
        known_bytes += image.size.unwrap_or(0);
        if first.len() < SHOWN {
            first.push(image.uri);
        }
    }
    if images == 0 {
        return Err(nothing_in(&manifest));
    }
    let tasks = images.div_ceil(u64::from(manifest.task_size));
    writeln!(out, "would make batch {} in {}", args.batch, args.store.store)?;
    writeln!(out, "  images  {}, {}", count(images), bytes(known_bytes))?;
    writeln!(out, "  tasks   {} of {} images, to queue {}", count(tasks), manifest.task_size, args.queue)?;
    writeln!(out, "  model   {} ({})", manifest.settings.model.id, manifest.settings.model.uri)?;
    for uri in &first {
        writeln!(out, "  {}", printable(uri))?;
    }
    if images > first.len() as u64 {
        writeln!(out, "  … and {} more", count(images - first.len() as u64))?;
    }
    Ok(out.flush()?)
}
