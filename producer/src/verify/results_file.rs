//! One Parquet file against the rows of the parts.

use std::io::Write;

use batch::{BatchError, Row, State, StoredBatch, Summary};
use program::Failure;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;

use super::findings::{Findings, Kind};
use super::parquet_rows;

/// A Parquet file on the local disk, and the rows read from it and not compared yet; or none, for a file that is not
/// there or not readable any more.
pub(super) struct ResultsFile {
    name: String,
    reading: Option<Reading>,
    /// The sums of the compared rows, against those in the file's metadata.
    sums: Summary,
    stated: Option<Summary>,
}

struct Reading {
    rows: mpsc::Receiver<Result<Vec<Row>, String>>,
    next: std::vec::IntoIter<Row>,
    _copy: NamedTempFile,
}

impl ResultsFile {
    /// Fetches the `file`-th file of the batch, if it is there; a finished batch must have it.
    pub(super) async fn open(
        batch: &StoredBatch,
        file: u64,
        state: State,
        findings: &Findings,
    ) -> Result<Self, Failure> {
        let key = batch.layout().results(file)?;
        let mut results = Self { name: key.to_string(), reading: None, sums: Summary::default(), stated: None };
        let Some(mut reader) = batch.store().reader(&key).await? else {
            if state == State::Finished {
                findings.add(Kind::Wrong, &format!("{key} is missing"))?;
            }
            return Ok(results);
        };
        let failed =
            |error: std::io::Error| Failure::unavailable(format!("copying {key} to a temporary file: {error}"));
        let mut copy = NamedTempFile::new().map_err(failed)?;
        while let Some(chunk) = reader.chunk().await? {
            copy.write_all(&chunk).map_err(failed)?;
        }
        match batch.finisher().partial_summary(file).await {
            Ok(summary) => results.stated = Some(summary),
            Err(error @ BatchError::Damaged { .. }) => findings.add(Kind::Wrong, &error)?,
            Err(error) => return Err(error.into()),
        }
        let rows = parquet_rows::read(copy.path());
        results.reading = Some(Reading { rows, next: Vec::new().into_iter(), _copy: copy });
        Ok(results)
    }

    /// Compares the next row of the file with that of the part, which may be missing.
    pub(super) async fn compare(&mut self, index: u64, row: Option<&Row>, findings: &Findings) -> Result<(), Failure> {
        if let Some(row) = row {
            self.sums.add(index, row);
        }
        match self.next(findings).await? {
            Next::Nothing => Ok(()),
            Next::End => {
                self.reading = None;
                findings.add(Kind::Wrong, &format!("{} ends before the row of image {index}", self.name))
            }
            Next::Row(found) => match row {
                Some(row) if *row != *found => {
                    let text =
                        format!("{}: the row of image {index} ({}) is not that of its part", self.name, row.image);
                    findings.add(Kind::Wrong, &text)
                }
                _ => Ok(()),
            },
        }
    }

    /// Nothing may be left, and the sums must be right.
    pub(super) async fn end(mut self, findings: &Findings) -> Result<(), Failure> {
        if let Next::Row(row) = self.next(findings).await? {
            findings
                .add(Kind::Duplicate, &format!("{} has rows too many, from that of {} on", self.name, row.image))?;
        }
        match self.stated {
            Some(stated) if stated != self.sums => {
                findings.add(Kind::Wrong, &format!("{}: its pixelmill.summary does not fit the rows", self.name))
            }
            _ => Ok(()),
        }
    }

    async fn next(&mut self, findings: &Findings) -> Result<Next, Failure> {
        let Some(reading) = &mut self.reading else { return Ok(Next::Nothing) };
        loop {
            if let Some(row) = reading.next.next() {
                return Ok(Next::Row(Box::new(row)));
            }
            match reading.rows.recv().await {
                Some(Ok(rows)) => reading.next = rows.into_iter(),
                Some(Err(reason)) => {
                    self.reading = None;
                    findings.add(Kind::Wrong, &format!("{} cannot be read: {reason}", self.name))?;
                    return Ok(Next::Nothing);
                }
                None => return Ok(Next::End),
            }
        }
    }
}

enum Next {
    Row(Box<Row>),
    /// The file has no more rows.
    End,
    /// There is no file to compare with.
    Nothing,
}
