//! `--report`: the page that finishing made; for a cancelled batch one is made now, of what is there.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use batch::{Report, RunNotes, State, StoredBatch, render};
use program::Failure;

use super::sums;

pub(super) async fn write(batch: &StoredBatch, file: &Path) -> Result<(), Failure> {
    let id = &batch.manifest.batch;
    let state = batch.state().await?;
    if state == State::Open {
        return Err(Failure::usage(format!("batch {id} is not finished, so it has no report; see `producer status`")));
    }
    let is_stdout = file == Path::new("-");
    let failed = |error: io::Error| match error.kind() {
        // Whoever reads our output has seen enough.
        io::ErrorKind::BrokenPipe if is_stdout => error.into(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => {
            Failure::usage(format!("{} cannot be written: {error}", file.display()))
        }
        _ => Failure::unavailable(format!("writing {}: {error}", file.display())),
    };
    let mut target: Box<dyn Write + Send> =
        if is_stdout { Box::new(io::stdout()) } else { Box::new(std::fs::File::create(file).map_err(failed)?) };
    if state == State::Finished {
        let key = batch.layout().report()?;
        let reader = batch.store().reader(&key).await?;
        let mut reader = reader.ok_or_else(|| Failure::usage(format!("{key} is missing")))?;
        while let Some(chunk) = reader.chunk().await? {
            target.write_all(&chunk).map_err(failed)?;
        }
    } else {
        let page = render(&Report {
            manifest: &batch.manifest,
            manifest_digest: batch.digest,
            summary: &sums::of(batch).await?,
            notes: &RunNotes::default(),
            thumbnails: &BTreeMap::new(),
            cancelled: true,
        });
        target.write_all(page.as_bytes()).map_err(failed)?;
    }
    target.flush().map_err(failed)
}
