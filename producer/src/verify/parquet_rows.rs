//! The rows of a Parquet file, read by columns names as any other program would.

use std::fs::File;
use std::path::Path;

use batch::{ErrorCode, Label, Row, RowError, Status};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as Record};
use tokio::sync::mpsc;

/// Rows handed over at a time.
const BATCH: usize = 1000;
/// Handfuls that wait.
const WAITING: usize = 4;

/// Reads the rows of the file at `path` on a thread of their own, in order. The last message is an error if the file
/// cannot be read to its end.
pub(super) fn read(path: &Path) -> mpsc::Receiver<Result<Vec<Row>, String>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        if let Err(reason) = send(&path, &sender) {
            let _nobody_waits = sender.blocking_send(Err(reason));
        }
    });
    receiver
}

fn send(path: &Path, sender: &mpsc::Sender<Result<Vec<Row>, String>>) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let file = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
    let mut rows = Vec::with_capacity(BATCH);
    for record in file.get_row_iter(None).map_err(|error| error.to_string())? {
        rows.push(row(record.map_err(|error| error.to_string())?)?);
        if rows.len() == BATCH && sender.blocking_send(Ok(std::mem::take(&mut rows))).is_err() {
            return Ok(());
        }
    }
    let _nobody_waits = sender.blocking_send(Ok(rows));
    Ok(())
}

fn row(record: Record) -> Result<Row, String> {
    let mut row = Row {
        image: String::new(),
        id: None,
        status: Status::Error,
        label: None,
        score: None,
        top: Vec::new(),
        width: None,
        height: None,
        bytes: None,
        model: String::new(),
        error: None,
    };
    for (name, field) in record.into_columns() {
        let unexpected = |field: &Field| format!("column {name} holds {field}");
        match (name.as_str(), field) {
            (_, Field::Null) => {}
            ("image", Field::Str(text)) => row.image = text,
            ("id", Field::Str(text)) => row.id = Some(text),
            ("status", Field::Str(text)) if text == "ok" => row.status = Status::Ok,
            ("status", Field::Str(text)) if text == "error" => row.status = Status::Error,
            ("label", Field::Str(text)) => row.label = Some(text),
            ("score", Field::Double(score)) => row.score = Some(score),
            ("top", Field::ListInternal(list)) => {
                row.top = list.elements().iter().map(label).collect::<Result<_, _>>()?;
            }
            ("width", Field::Long(number)) => row.width = u32::try_from(number).ok(),
            ("height", Field::Long(number)) => row.height = u32::try_from(number).ok(),
            ("bytes", Field::Long(number)) => row.bytes = u64::try_from(number).ok(),
            ("model", Field::Str(text)) => row.model = text,
            ("error", Field::Group(group)) => row.error = Some(error(group)?),
            (_, field) => return Err(unexpected(&field)),
        }
    }
    Ok(row)
}

fn label(field: &Field) -> Result<Label, String> {
    let Field::Group(group) = field else { return Err(format!("column top holds {field}")) };
    let mut label = Label { label: String::new(), index: 0, score: 0.0 };
    for (name, field) in group.get_column_iter() {
        match (name.as_str(), field) {
            ("label", Field::Str(text)) => label.label.clone_from(text),
            ("index", Field::Int(index)) => label.index = index.cast_unsigned(),
            ("score", Field::Double(score)) => label.score = *score,
            (name, field) => return Err(format!("column top.{name} holds {field}")),
        }
    }
    Ok(label)
}

fn error(group: Record) -> Result<RowError, String> {
    let (mut code, mut message) = (None, String::new());
    for (name, field) in group.into_columns() {
        match (name.as_str(), field) {
            ("code", Field::Str(text)) => code = Some(text.parse::<ErrorCode>()?),
            ("message", Field::Str(text)) => message = text,
            (name, field) => return Err(format!("column error.{name} holds {field}")),
        }
    }
    Ok(RowError { code: code.ok_or("column error has no code")?, message })
}
