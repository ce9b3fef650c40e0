//! Rows as Parquet: the columns of [`Row`], written row group by row group in bounded memory.

use std::io::Write;
use std::sync::{Arc, Mutex};

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::row::{Row, Status};
use crate::summary::Summary;

/// Key of the partial summary in a file's metadata.
pub(crate) const SUMMARY_KEY: &str = "pixelmill.summary";

/// Rows of a row group: what a reader and the writer hold in memory at once.
const ROWS_PER_GROUP: usize = 50_000;

const SCHEMA: &str = "message row {
    required binary image (STRING);
    optional binary id (STRING);
    required binary status (STRING);
    optional binary label (STRING);
    optional double score;
    required group top (LIST) {
        repeated group list {
            required group element {
                required binary label (STRING);
                required int32 index;
                required double score;
            }
        }
    }
    optional int64 width;
    optional int64 height;
    optional int64 bytes;
    required binary model (STRING);
    optional group error {
        required binary code (STRING);
        required binary message (STRING);
    }
}";

/// Writes rows as a Parquet file into memory that the caller drains with [`RowWriter::take`].
pub(crate) struct RowWriter {
    file: SerializedFileWriter<Drain>,
    drain: Drain,
    group: Vec<Row>,
    summary: Summary,
    next_index: u64,
}

impl RowWriter {
    /// A file whose first row is the `first_index`-th of the batch.
    pub(crate) fn new(first_index: u64) -> Result<Self> {
        let drain = Drain::default();
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let file = SerializedFileWriter::new(drain.clone(), schema, Arc::new(properties))?;
        Ok(Self { file, drain, group: Vec::new(), summary: Summary::default(), next_index: first_index })
    }

    /// Adds one row.
    pub(crate) fn push(&mut self, row: Row) -> Result<()> {
        self.summary.add(self.next_index, &row);
        self.next_index += 1;
        self.group.push(row);
        if self.group.len() == ROWS_PER_GROUP { self.write_group() } else { Ok(()) }
    }

    /// The bytes that became final since the last call.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.drain.take()
    }

    /// Ends the file, the summary of its rows in its metadata; gives the last bytes.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        if !self.group.is_empty() {
            self.write_group()?;
        }
        let summary = serde_json::to_string(&self.summary).map_err(|error| ParquetError::External(error.into()))?;
        self.file.append_key_value_metadata(KeyValue::new(SUMMARY_KEY.to_owned(), summary));
        self.file.close()?;
        Ok(self.drain.take())
    }

    fn write_group(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.group);
        let mut columns = Columns(self.file.next_row_group()?);
        columns.required::<ByteArrayType>(rows.iter().map(|row| text(&row.image)))?;
        columns.optional::<ByteArrayType>(rows.iter().map(|row| row.id.as_deref().map(text)))?;
        columns.required::<ByteArrayType>(rows.iter().map(|row| text(status(row.status))))?;
        columns.optional::<ByteArrayType>(rows.iter().map(|row| row.label.as_deref().map(text)))?;
        columns.optional::<DoubleType>(rows.iter().map(|row| row.score))?;
        columns.repeated::<ByteArrayType>(&rows, |row| row.top.iter().map(|top| text(&top.label)).collect())?;
        columns.repeated::<Int32Type>(&rows, |row| row.top.iter().map(|top| top.index as i32).collect())?;
        columns.repeated::<DoubleType>(&rows, |row| row.top.iter().map(|top| top.score).collect())?;
        columns.optional::<Int64Type>(rows.iter().map(|row| row.width.map(i64::from)))?;
        columns.optional::<Int64Type>(rows.iter().map(|row| row.height.map(i64::from)))?;
        columns.optional::<Int64Type>(rows.iter().map(|row| row.bytes.map(|bytes| bytes as i64)))?;
        columns.required::<ByteArrayType>(rows.iter().map(|row| text(&row.model)))?;
        columns.optional::<ByteArrayType>(rows.iter().map(|row| row.error.as_ref().map(|e| text(e.code.as_str()))))?;
        columns.optional::<ByteArrayType>(rows.iter().map(|row| row.error.as_ref().map(|e| text(&e.message))))?;
        columns.0.close()?;
        Ok(())
    }
}

fn text(text: &str) -> ByteArray {
    text.as_bytes().to_vec().into()
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Error => "error",
    }
}

/// The columns of one row group, written in the order of the schema.
struct Columns<'a>(SerializedRowGroupWriter<'a, Drain>);

impl Columns<'_> {
    fn required<T: DataType>(&mut self, values: impl Iterator<Item = T::T>) -> Result<()> {
        self.write::<T>(&values.collect::<Vec<_>>(), None, None)
    }

    fn optional<T: DataType>(&mut self, values: impl Iterator<Item = Option<T::T>>) -> Result<()> {
        let values: Vec<_> = values.collect();
        let defined: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
        self.write::<T>(&values.into_iter().flatten().collect::<Vec<_>>(), Some(&defined), None)
    }

    /// A list: an empty one has definition level 0; all but the first value of a list have repetition level 1.
    fn repeated<T: DataType>(&mut self, rows: &[Row], list: impl Fn(&Row) -> Vec<T::T>) -> Result<()> {
        let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let items = list(row);
            defined.extend(std::iter::repeat_n(i16::from(!items.is_empty()), items.len().max(1)));
            repeated.push(0);
            repeated.extend(std::iter::repeat_n(1, items.len().saturating_sub(1)));
            values.extend(items);
        }
        self.write::<T>(&values, Some(&defined), Some(&repeated))
    }

    fn write<T: DataType>(&mut self, values: &[T::T], defined: Option<&[i16]>, repeated: Option<&[i16]>) -> Result<()> {
        let end = || ParquetError::General("the schema has fewer columns than are written".into());
        let mut column = self.0.next_column()?.ok_or_else(end)?;
        column.typed::<T>().write_batch(values, defined, repeated)?;
        column.close()
    }
}

/// Memory that the file writer fills and the caller empties.
#[derive(Clone, Default)]
struct Drain(Arc<Mutex<Vec<u8>>>);

impl Drain {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Write for Drain {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageRef;
    use crate::row::{ErrorCode, Label, Outcome};
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    fn row(at: usize) -> Row {
        let top: Vec<_> = (0..at % 3)
            .map(|k| Label { label: format!("l{k}"), index: k as u32, score: 0.5 / (k + 1) as f64 })
            .collect();
        let outcome = if top.is_empty() {
            Outcome::failed(ErrorCode::Truncated, "cut short")
        } else {
            Outcome { top, size: Some((7, 5)), bytes: Some(99), error: None }
        };
        let id = at.is_multiple_of(2).then(|| format!("id {at}"));
        outcome.into_row(&ImageRef { id, ..ImageRef::new(format!("{at}.jpg")) }, "m@d")
    }

    fn write(count: usize) -> Vec<u8> {
        let mut writer = RowWriter::new(0).unwrap();
        let mut file = Vec::new();
        for at in 0..count {
            writer.push(row(at)).unwrap();
            file.extend(writer.take());
        }
        file.extend(writer.finish().unwrap());
        file
    }

    #[test]
    fn an_independent_reading_path_sees_the_rows() {
        let file = SerializedFileReader::new(Bytes::from(write(10))).unwrap();
        let rows: Vec<_> = file.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows.len(), 10);
        for part in ["id: null", "label: null", "top: []", "error: {code: \"truncated\""] {
            assert!(rows[3].contains(part), "{}", rows[3]);
        }
        for part in ["image: \"5.jpg\"", "score: 0.5", "{label: \"l1\", index: 1, score: 0.25}", "error: null"] {
            assert!(rows[5].contains(part), "{}", rows[5]);
        }
    }

    #[test]
    fn equal_rows_give_equal_bytes_over_several_groups() {
        assert_eq!(write(ROWS_PER_GROUP + 3), write(ROWS_PER_GROUP + 3));
    }
}
