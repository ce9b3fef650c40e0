//! Names that become parts of store keys and of queue names: validated once, harmless ever after.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a batch: 1 to 50 of `a-z`, `0-9` and `-`, starting with a letter or digit (it is part of Job names).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BatchId(String);

/// The name of a queue; same alphabet as [`BatchId`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueName(String);

/// The name of a pipeline whose runs take what is new; same alphabet as [`BatchId`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EtlName(String);

/// A text that is no such name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: use 1 to 50 of a-z, 0-9 and '-', the first a letter or digit")]
pub struct InvalidId {
    what: &'static str,
    text: String,
}

fn checked(what: &'static str, text: &str) -> Result<String, InvalidId> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=50).contains(&text.len()) && text.chars().all(allowed) && !text.starts_with('-') {
        return Ok(text.to_owned());
    }
    Err(InvalidId { what, text: text.chars().take(80).collect() })
}

macro_rules! id {
    ($type:ident, $what:literal) => {
        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                checked($what, text).map(Self)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> Self {
                id.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

impl BatchId {
    /// The id of a batch on one machine whose folder suggests none.
    pub fn local() -> Self {
        Self("local".into())
    }
}

id!(BatchId, "batch id");
id!(QueueName, "queue name");
id!(EtlName, "pipeline name");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_and_refuses_path_tricks() {
        for good in ["a", "0-1", "nightly-2026-11-23", &"x".repeat(50)] {
            assert_eq!(good.parse::<BatchId>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "A", "a/b", "..", "a.b", "ä", "a b", &"x".repeat(51)] {
            assert!(bad.parse::<BatchId>().is_err(), "{bad}");
        }
    }
}
