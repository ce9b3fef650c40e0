//! Tables of images: `.jsonl` and `.csv` files with `uri` and an optional `id`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::{Found, unusable};
use crate::error::BatchError;
use crate::image::ImageRef;

#[derive(Deserialize)]
struct Record {
    uri: String,
    #[serde(default)]
    id: Option<String>,
}

/// Streams the records of a table. A record that cannot be read ends the listing: guessing would lose or double images.
pub(super) fn read(path: &Path, found: &mut dyn FnMut(Found) -> bool) -> Result<(), BatchError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| unusable(&name, &error.to_string()))?;
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let result = if is_csv { read_csv(file, found) } else { read_jsonl(file, found) };
    result.map_err(|reason| unusable(&name, &reason))
}

fn read_jsonl(file: File, found: &mut dyn FnMut(Found) -> bool) -> Result<(), String> {
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| format!("line {}: {error}", at + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let record = serde_json::from_str(&line);
        let record = record.map_err(|error| format!("line {}: {error}; every line needs a \"uri\"", at + 1))?;
        if !found(image(record)) {
            break;
        }
    }
    Ok(())
}

fn read_csv(file: File, found: &mut dyn FnMut(Found) -> bool) -> Result<(), String> {
    let mut reader = csv::Reader::from_reader(BufReader::new(file));
    let headers = reader.headers().map_err(|error| error.to_string())?;
    if !headers.iter().any(|header| header == "uri") {
        return Err("its first line must name the columns: uri, and id if there are any".into());
    }
    for record in reader.deserialize() {
        let record = record.map_err(|error| error.to_string())?;
        if !found(image(record)) {
            break;
        }
    }
    Ok(())
}

fn image(record: Record) -> Found {
    let id = record.id.filter(|id| !id.is_empty());
    Found { image: ImageRef { id, ..ImageRef::new(record.uri) }, modified: None }
}
