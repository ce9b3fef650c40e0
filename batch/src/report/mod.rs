//! `report.html`: one self-contained page that a person wants to look at. No scripts, nothing loaded from elsewhere; every
//! name that came from outside is escaped where it is written.

use std::collections::BTreeMap;

use models::Digest;

use crate::manifest::Manifest;
use crate::run::RunNotes;
use crate::summary::Summary;

mod classes;
mod confidence;
mod errors;
mod figures;
mod name;
mod overview;
mod page;
mod ran;
mod sizes;
#[cfg(test)]
mod tests;
mod uncertain;

/// Everything the report shows.
pub struct Report<'a> {
    /// What was asked for.
    pub manifest: &'a Manifest,
    /// The digest of the stored `manifest.json`.
    pub manifest_digest: Digest,
    /// What came out.
    pub summary: &'a Summary,
    /// When, for how long and by how many; may be empty, it is best effort.
    pub notes: &'a RunNotes,
    /// Small JPEGs of the least certain images, by their index in the batch. Where one is missing, a placeholder stands.
    pub thumbnails: &'a BTreeMap<u64, Vec<u8>>,
    /// Whether the batch was cancelled: then the summary covers only what was done until then.
    pub cancelled: bool,
}

/// The text of `report.html`. Equal reports give equal text.
pub fn render(report: &Report<'_>) -> String {
    page::page(report).into_string()
}
