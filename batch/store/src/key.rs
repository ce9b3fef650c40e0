//! Names of objects in a store: relative paths that are the same safe text on S3 and on a file system.

use std::fmt;
use std::str::FromStr;

use crate::error::StoreError;

/// The name of an object, relative to the store: `batches/b1/parts/00000000.jsonl`.
///
/// Segments of `[A-Za-z0-9._-]`, joined by `/`; none is empty, `.` or `..`, none begins with `.tmp` (the local store's
/// own files); at most 255 bytes a segment and 800 in all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

const LONGEST: usize = 800;
const LONGEST_SEGMENT: usize = 255;

impl Key {
    /// Checks a name.
    ///
    /// # Errors
    /// [`StoreError::InvalidKey`] with the reason.
    pub fn new(name: impl Into<String>) -> Result<Key, StoreError> {
        let name = name.into();
        match flaw(&name) {
            None => Ok(Key(name)),
            Some(flaw) => Err(StoreError::InvalidKey { key: name.chars().take(LONGEST).collect(), flaw }),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name, a `/` and `rest`.
    ///
    /// # Errors
    /// [`StoreError::InvalidKey`] if the result is no valid name.
    pub fn join(&self, rest: &str) -> Result<Key, StoreError> {
        Key::new(format!("{}/{rest}", self.0))
    }
}

fn flaw(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > LONGEST {
        return Some("it is longer than 800 bytes");
    }
    if !name.bytes().all(is_allowed) {
        return Some("only A-Z a-z 0-9 . _ - and / are allowed");
    }
    name.split('/').find_map(|segment| match segment {
        "" => Some("a segment is empty"),
        "." | ".." => Some("a segment is . or .."),
        s if s.starts_with(".tmp") => Some("a segment begins with .tmp"),
        s if s.len() > LONGEST_SEGMENT => Some("a segment is longer than 255 bytes"),
        _ => None,
    })
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/')
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = StoreError;

    fn from_str(name: &str) -> Result<Key, StoreError> {
        Key::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_layout_are_valid() {
        for name in ["a", "batches/b-1/parts/00000000.jsonl", "batches/b/_SUCCESS", "queues/q/open/b", "a/.hidden"] {
            assert_eq!(Key::new(name).expect("valid").as_str(), name);
        }
        assert_eq!(Key::new("a/b").expect("valid").join("c").expect("valid").as_str(), "a/b/c");
    }

    #[test]
    fn tricks_are_refused() {
        let long = "x".repeat(256);
        let longer = "x/".repeat(500) + "x";
        for name in [
            "", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/.", "a b", "a\\b", "a\0", "ä", "a\n", "a?b",
            "a%2e", "~", ".tmp", ".tmp/1", "a/.tmp-1", &long, &longer,
        ] {
            assert!(matches!(Key::new(name), Err(StoreError::InvalidKey { .. })), "{name:?} was accepted");
        }
        assert!(Key::new("a").expect("valid").join("../b").is_err());
    }
}
