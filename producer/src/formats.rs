//! Shapes in which data is printed, as values of flags.

use clap::ValueEnum;

/// How facts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// For people
    Table,
    /// One JSON object a line
    Json,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// For people
    Table,
    /// One JSON object a line, as stored
    Jsonl,
    /// Comma-separated, with a header
    Csv,
}

/// Whether an image was classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowStatus {
    /// It was
    Ok,
    /// It was not
    Error,
}
