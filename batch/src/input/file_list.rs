//! Lists of URIs, one a line: `@file` and `-`.

use std::io::Read;

use super::{Input, unusable};
use crate::error::BatchError;

/// Largest list in bytes: about 10 million URIs. Longer ones go into a table, which is streamed.
const LARGEST_LIST: u64 = 1 << 30;

/// Reads the whole list: its content decides whether two batches are the same.
pub(super) fn read(argument: &str) -> Result<Input, BatchError> {
    let wrong = |error: &dyn std::fmt::Display| unusable(argument, &error.to_string());
    let mut text = String::new();
    let read = match argument.strip_prefix('@') {
        Some(path) => std::fs::File::open(path).and_then(|file| file.take(LARGEST_LIST + 1).read_to_string(&mut text)),
        None => std::io::stdin().lock().take(LARGEST_LIST + 1).read_to_string(&mut text),
    };
    match read {
        Err(error) => Err(wrong(&error)),
        Ok(bytes) if bytes as u64 > LARGEST_LIST => Err(wrong(&"a list is at most 1 GiB; use a .jsonl or .csv table")),
        Ok(_) => Ok(Input::List { text, name: argument.to_owned() }),
    }
}
