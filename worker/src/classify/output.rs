//! Rows for people and for programs: the same data as a table, as JSON lines or as CSV, in the order of the images.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::path::PathBuf;

use batch::{Part, Row, Summary};

use super::progress::Effort;
use crate::cli::{ClassifyArgs, Format};

/// Rows of a table on a terminal; longer ones are cut, with a hint.
const TABLE_ROWS: usize = 200;
/// Widest name of an image in such a table: label and score stay on its line.
const NAME_WIDTH: usize = 56;
/// With the rows of failed images, which are shown even then.
const TABLE_ROWS_WITH_FAILED: usize = 400;

/// Prints rows in the order of their images, whatever the order in which their parts come.
pub(super) struct Output {
    stdout: BufWriter<Stdout>,
    format: Format,
    min_score: f64,
    on_terminal: bool,
    /// Where there is more to see.
    out: Option<PathBuf>,
    waiting: BTreeMap<u64, Part>,
    next: u64,
    table: Vec<[String; 3]>,
    table_left_out: u64,
    summary: Summary,
    closed: bool,
}

impl Output {
    pub(super) fn new(args: &ClassifyArgs) -> Self {
        let on_terminal = io::stdout().is_terminal();
        let format = args.format.unwrap_or(if on_terminal { Format::Table } else { Format::Jsonl });
        let mut stdout = BufWriter::new(io::stdout());
        let closed = format == Format::Csv && writeln!(stdout, "{}", CSV_HEADER.join(",")).is_err();
        Self {
            stdout,
            format,
            min_score: args.min_score,
            on_terminal,
            out: args.out.clone(),
            waiting: BTreeMap::new(),
            next: 0,
            table: Vec::new(),
            table_left_out: 0,
            summary: Summary::default(),
            closed,
        }
    }

    /// Takes the part whose first row is that of image `first`.
    pub(super) fn take(&mut self, first: u64, part: Part) -> io::Result<()> {
        self.waiting.insert(first, part);
        while let Some(part) = self.waiting.remove(&self.next) {
            for row in part.rows {
                self.summary.add(self.next, &row);
                self.next += 1;
                if row.score.is_none_or(|score| score >= self.min_score) {
                    self.print(&row)?;
                }
            }
        }
        self.flush()
    }

    /// Prints the table, if there is one, and the summary line; gives the counts.
    pub(super) fn finish(mut self, effort: &Effort) -> io::Result<Summary> {
        let result = self.print_table();
        self.survive(result)?;
        self.flush()?;
        if self.on_terminal || io::stderr().is_terminal() {
            writeln!(io::stderr(), "{}", effort.line(&self.summary))?;
            if let Some(out) = &self.out {
                writeln!(io::stderr(), "report: {}", out.join("report.html").display())?;
            }
        }
        Ok(self.summary)
    }

    fn print(&mut self, row: &Row) -> io::Result<()> {
        let result = match self.format {
            Format::Jsonl => serde_json::to_writer(&mut self.stdout, row)
                .map_err(io::Error::from)
                .and_then(|()| self.stdout.write_all(b"\n")),
            Format::Csv => write_csv(&mut self.stdout, row),
            Format::Table => {
                let most = if row.label.is_some() { TABLE_ROWS } else { TABLE_ROWS_WITH_FAILED };
                if self.on_terminal && self.table.len() >= most {
                    self.table_left_out += 1;
                } else {
                    let [name, what, score] = table_row(row);
                    let name = if self.on_terminal { shortened(name) } else { name };
                    self.table.push([name, what, score]);
                }
                Ok(())
            }
        };
        self.survive(result)
    }

    fn print_table(&mut self) -> io::Result<()> {
        if self.table.is_empty() {
            return Ok(());
        }
        let headings = ["IMAGE", "LABEL", "SCORE"].map(String::from);
        let width = |column: usize| {
            let cells = std::iter::once(&headings).chain(&self.table).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let (image, label) = (width(0), width(1).min(60));
        for [name, what, score] in std::iter::once(&headings).chain(&self.table) {
            writeln!(self.stdout, "{}", format!("{name:<image$}  {what:<label$}  {score}").trim_end())?;
        }
        if self.table_left_out > 0 {
            writeln!(self.stdout, "… and {} more rows: see --format jsonl or --out DIR", self.table_left_out)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.stdout.flush();
        self.survive(result)
    }

    /// A reader that has seen enough (`| head`) ends the printing and not the work.
    fn survive(&mut self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe || self.closed => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}

fn table_row(row: &Row) -> [String; 3] {
    let image = printable(row.id.as_ref().unwrap_or(&row.image));
    match (&row.label, row.score, &row.error) {
        (Some(label), Some(score), None) => [image, printable(label), format!("{score:.4}")],
        (Some(label), Some(score), Some(warning)) => {
            [image, printable(label), format!("{score:.4}  ({})", warning.code)]
        }
        (_, _, Some(error)) => [image, error.code.to_string(), printable(&error.message)],
        _ => [image, String::new(), String::new()],
    }
}

/// The end of a long name, which tells it from others.
fn shortened(name: String) -> String {
    match name.chars().count().checked_sub(NAME_WIDTH) {
        None | Some(0) => name,
        Some(over) => std::iter::once('…').chain(name.chars().skip(over + 1)).collect(),
    }
}

/// Control characters in a name must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

const CSV_HEADER: [&str; 11] =
    ["image", "id", "status", "label", "score", "width", "height", "bytes", "model", "error_code", "error_message"];

fn write_csv(to: &mut impl Write, row: &Row) -> io::Result<()> {
    let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let record = [
        row.image.clone(),
        row.id.clone().unwrap_or_default(),
        if row.label.is_some() { "ok".into() } else { "error".into() },
        row.label.clone().unwrap_or_default(),
        row.score.map(|score| score.to_string()).unwrap_or_default(),
        number(row.width.map(u64::from)),
        number(row.height.map(u64::from)),
        number(row.bytes),
        row.model.clone(),
        row.error.as_ref().map(|error| error.code.to_string()).unwrap_or_default(),
        row.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
    ];
    let mut line = csv::Writer::from_writer(Vec::new());
    line.write_record(&record)?;
    to.write_all(&line.into_inner().map_err(|error| error.into_error())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use batch::{ErrorCode, ImageRef, Label, Outcome};

    #[test]
    fn a_long_name_keeps_its_end() {
        let long = format!("{}/é.jpg", "a".repeat(100));
        let short = shortened(long);
        assert_eq!(short.chars().count(), NAME_WIDTH);
        assert!(short.starts_with('…') && short.ends_with("a/é.jpg"));
        assert_eq!(shortened("a.jpg".into()), "a.jpg");
    }

    #[test]
    fn csv_and_table_show_hostile_names_harmlessly() {
        let image = ImageRef { id: Some("a,\"b\"".into()), ..ImageRef::new("x\u{1b}[2J\n.jpg") };
        let top = vec![Label { label: "cat, grey".into(), index: 0, score: 0.5 }];
        let row = Outcome { top, size: Some((1, 2)), bytes: Some(3), error: None }.into_row(&image, "m@d");
        let mut csv = Vec::new();
        write_csv(&mut csv, &row).unwrap();
        assert_eq!(
            String::from_utf8(csv).unwrap(),
            "\"x\u{1b}[2J\n.jpg\",\"a,\"\"b\"\"\",ok,\"cat, grey\",0.5,1,2,3,m@d,,\n"
        );
        let row = Outcome::failed(ErrorCode::NotFound, "no").into_row(&ImageRef::new("x\u{1b}.jpg"), "m@d");
        assert_eq!(table_row(&row)[..2], ["x\u{FFFD}.jpg".to_owned(), "not_found".to_owned()]);
    }
}
