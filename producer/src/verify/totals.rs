//! `summary.json` and `_SUCCESS` against the rows and the manifest.

use batch::{StoredBatch, Summary};
use program::Failure;
use serde::Deserialize;
use store::Key;

use super::findings::{Findings, Kind};

/// Largest summary that is read, in bytes.
const LARGEST_SUMMARY: u64 = 64 << 20;
/// `_SUCCESS` holds a digest.
const LARGEST_SUCCESS: u64 = 1024;

#[derive(Deserialize)]
struct Stated {
    manifest: String,
    #[serde(flatten)]
    summary: Summary,
}

/// Compares what the finished batch states with `counted`, the sums of its rows.
pub(super) async fn check(batch: &StoredBatch, counted: &Summary, findings: &Findings) -> Result<(), Failure> {
    let digest = batch.digest.to_string();
    if let Some(text) = read(batch, &batch.layout().summary()?, LARGEST_SUMMARY, findings).await? {
        match serde_json::from_slice::<Stated>(&text) {
            Err(error) => findings.add(Kind::Wrong, &format!("summary.json cannot be read: {error}"))?,
            Ok(stated) if stated.manifest != digest => {
                let text = format!("summary.json is of manifest {}, not of {digest}", stated.manifest);
                findings.add(Kind::Wrong, &text)?;
            }
            Ok(Stated { summary, .. }) if summary != *counted => {
                let numbers = |s: &Summary| format!("{} images, {} ok, {} failed", s.images, s.ok, s.failed);
                let text = format!("summary.json says {}; the rows say {}", numbers(&summary), numbers(counted));
                findings.add(Kind::Wrong, &text)?;
            }
            Ok(_) => {}
        }
    }
    if let Some(text) = read(batch, &batch.layout().success()?, LARGEST_SUCCESS, findings).await?
        && text.trim_ascii() != digest.as_bytes()
    {
        findings.add(Kind::Wrong, &format!("_SUCCESS is not of manifest {digest}"))?;
    }
    Ok(())
}

async fn read(batch: &StoredBatch, key: &Key, limit: u64, findings: &Findings) -> Result<Option<Vec<u8>>, Failure> {
    let text = batch.store().get(key, limit).await?;
    if text.is_none() {
        findings.add(Kind::Wrong, &format!("{key} is missing"))?;
    }
    Ok(text.map(Vec::from))
}
