//! Rows as they come: a table for people, JSON lines or CSV for programs.

use std::io::{self, BufWriter, Stdout, Write};

use batch::{Row, Status};
use program::Failure;

use crate::display::{printable, table};
use crate::formats::RowFormat;

/// Rows of a table whose widths are fitted together: enough for a terminal, and little memory.
const TOGETHER: usize = 1000;
const HEADING: [&str; 3] = ["IMAGE", "LABEL", "SCORE"];
const CSV_HEADING: [&str; 11] =
    ["image", "id", "status", "label", "score", "width", "height", "bytes", "model", "error_code", "error_message"];

/// Prints rows one by one.
pub(super) enum Printer {
    Table(Vec<[String; 3]>),
    Jsonl(BufWriter<Stdout>),
    Csv(Box<csv::Writer<Stdout>>),
}

impl Printer {
    pub(super) fn new(format: RowFormat) -> Result<Self, Failure> {
        Ok(match format {
            RowFormat::Table => Self::Table(vec![HEADING.map(String::from)]),
            RowFormat::Jsonl => Self::Jsonl(BufWriter::new(io::stdout())),
            RowFormat::Csv => {
                let mut writer = csv::Writer::from_writer(io::stdout());
                writer.write_record(CSV_HEADING).map_err(csv_error)?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    pub(super) fn print(&mut self, row: &Row) -> Result<(), Failure> {
        match self {
            Self::Jsonl(out) => {
                serde_json::to_writer(&mut *out, row).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            Self::Csv(out) => out.write_record(csv_record(row)).map_err(csv_error)?,
            Self::Table(rows) => {
                rows.push(table_row(row));
                if rows.len() == TOGETHER {
                    print_table(rows)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Jsonl(mut out) => out.flush()?,
            Self::Csv(mut out) => out.flush()?,
            Self::Table(mut rows) => print_table(&mut rows)?,
        }
        Ok(())
    }
}

fn print_table(rows: &mut Vec<[String; 3]>) -> io::Result<()> {
    io::stdout().write_all(table(rows).as_bytes())?;
    rows.clear();
    Ok(())
}

fn table_row(row: &Row) -> [String; 3] {
    let image = printable(row.id.as_ref().unwrap_or(&row.image));
    let score = row.score.map(|score| format!("{score:.4}")).unwrap_or_default();
    match (&row.label, &row.error) {
        (Some(label), None) => [image, printable(label), score],
        (Some(label), Some(warning)) => [image, printable(label), format!("{score}  ({})", warning.code)],
        (None, Some(error)) => [image, error.code.to_string(), printable(&error.message)],
        (None, None) => [image, String::new(), String::new()],
    }
}

fn csv_record(row: &Row) -> [String; 11] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let status = match row.status {
        Status::Ok => "ok",
        Status::Error => "error",
    };
    [
        row.image.clone(),
        text(&row.id),
        status.into(),
        text(&row.label),
        row.score.map(|score| score.to_string()).unwrap_or_default(),
        number(row.width.map(u64::from)),
        number(row.height.map(u64::from)),
        number(row.bytes),
        row.model.clone(),
        row.error.as_ref().map(|error| error.code.to_string()).unwrap_or_default(),
        row.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
    ]
}

fn csv_error(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => Failure::unavailable(format!("encoding CSV: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use batch::{ErrorCode, ImageRef, Outcome};

    #[test]
    fn hostile_names_are_harmless() {
        let image = ImageRef { id: Some("a,\"b\"".into()), ..ImageRef::new("x\u{1b}[2J\n.jpg") };
        let row = Outcome::failed(ErrorCode::NotFound, "no\u{1b}c").into_row(&image, "m@d");
        assert_eq!(table_row(&row), ["a,\"b\"", "not_found", "no\u{FFFD}c"]);
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(csv_record(&row)).unwrap();
        let text = String::from_utf8(csv.into_inner().unwrap()).unwrap();
        assert_eq!(text, "\"x\u{1b}[2J\n.jpg\",\"a,\"\"b\"\"\",error,,,,,,m@d,not_found,no\u{1b}c\n");
    }
}
