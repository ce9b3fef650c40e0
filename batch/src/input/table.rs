//! Tables of images: `.jsonl` and `.csv` files with `uri` and an optional `id`.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use serde::Deserialize;

use super::{Found, unusable};
use crate::error::BatchError;
use crate::image::ImageRef;

/// Most bytes of a record. URI and id have 2 KiB at most; other columns may stand beside them.
const LARGEST_RECORD: usize = 1 << 20;

#[derive(Deserialize)]
struct Record {
    uri: String,
    #[serde(default)]
    id: Option<String>,
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, the first line names the columns.
    Csv,
}

/// Opens a table, which must be a file with an end: it is read twice, once for its digest.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::other("a table must be a regular file; pipe a list of URIs into - instead"))
    }
}

/// Streams the records of a table. A record that cannot be read ends the listing: guessing would lose or double images.
pub(super) fn read(path: &Path, found: &mut dyn FnMut(Found) -> bool) -> Result<(), BatchError> {
    let name = path.display().to_string();
    let file = open(path).map_err(|error| unusable(&name, &error.to_string()))?;
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let format = if is_csv { TableFormat::Csv } else { TableFormat::Jsonl };
    let result = records(file, format, &mut |image| found(Found { image, modified: None }));
    result.map_err(|reason| unusable(&name, &reason))
}

/// The images of a table's text, until `found` says `false`. The error is a sentence that names the line.
pub fn records(table: impl Read, format: TableFormat, found: &mut dyn FnMut(ImageRef) -> bool) -> Result<(), String> {
    let left = Rc::new(Cell::new(LARGEST_RECORD));
    let table = Metered { table, left: Rc::clone(&left) };
    let mut next = |record: Record| {
        left.set(LARGEST_RECORD);
        let id = record.id.filter(|id| !id.is_empty());
        found(ImageRef { id, ..ImageRef::new(record.uri) })
    };
    match format {
        TableFormat::Jsonl => jsonl(table, &mut next),
        TableFormat::Csv => csv(table, &mut next),
    }
}

fn jsonl(table: impl Read, next: &mut dyn FnMut(Record) -> bool) -> Result<(), String> {
    for (at, line) in BufReader::new(table).lines().enumerate() {
        let line = line.map_err(|error| format!("line {}: {error}", at + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let record = serde_json::from_str(&line);
        let record = record.map_err(|error| format!("line {}: {error}; every line needs a \"uri\"", at + 1))?;
        if !next(record) {
            break;
        }
    }
    Ok(())
}

fn csv(table: impl Read, next: &mut dyn FnMut(Record) -> bool) -> Result<(), String> {
    let mut reader = csv::Reader::from_reader(table);
    let headers = reader.headers().map_err(|error| error.to_string())?;
    if !headers.iter().any(|header| header == "uri") {
        return Err("its first line must name the columns: uri, and id if there are any".into());
    }
    for record in reader.deserialize() {
        if !next(record.map_err(|error| error.to_string())?) {
            break;
        }
    }
    Ok(())
}

/// A table that may give so many bytes until the count is set anew: a record without an end must not fill the memory.
struct Metered<R> {
    table: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.table.read(buffer)?;
        match self.left.get().checked_sub(bytes) {
            Some(left) => self.left.set(left),
            None => return Err(io::Error::other("a record is longer than 1 MiB")),
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(table: impl Read, format: TableFormat) -> Result<Vec<ImageRef>, String> {
        let mut images = Vec::new();
        records(table, format, &mut |image| {
            images.push(image);
            true
        })?;
        Ok(images)
    }

    #[test]
    fn a_record_without_an_end_is_refused_and_long_tables_are_not() {
        for (start, format) in [("", TableFormat::Jsonl), ("uri\n\"", TableFormat::Csv), ("uri,", TableFormat::Csv)] {
            let error = all(start.as_bytes().chain(io::repeat(b'a')), format).unwrap_err();
            assert!(error.contains("longer than 1 MiB"), "{error}");
        }
        let lines = "{\"uri\":\"a.jpg\"}\n".repeat(LARGEST_RECORD / 10);
        assert_eq!(all(lines.as_bytes(), TableFormat::Jsonl).unwrap().len(), LARGEST_RECORD / 10);
        let rows = "uri\n".to_owned() + &"a.jpg\n".repeat(LARGEST_RECORD / 4);
        assert_eq!(all(rows.as_bytes(), TableFormat::Csv).unwrap().len(), LARGEST_RECORD / 4);
    }

    #[test]
    fn a_table_is_a_file() {
        let error = open(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("regular file"), "{error}");
    }
}
