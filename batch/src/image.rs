//! One image of a batch, as it was listed.

use serde::{Deserialize, Serialize};

/// A reference to an image. Its identity is its index in the batch: the same URI twice is two rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRef {
    /// `s3://bucket/key`, an `https://` address or a file path.
    pub uri: String,
    /// The user's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// ETag as listed; a changed object becomes an error row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Size in bytes as listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// Most bytes that URI and id of an image may have together.
pub const LARGEST_IMAGE_REFERENCE: usize = 2048;

/// Why an image reference is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImage {
    /// The URI is empty.
    #[error("an image has an empty uri")]
    Empty,
    /// URI and id are too long.
    #[error("uri and id of {start:?}… have {length} bytes; at most {LARGEST_IMAGE_REFERENCE} are allowed")]
    TooLong {
        /// How the URI begins.
        start: String,
        /// Bytes of URI and id together.
        length: usize,
    },
}

impl ImageRef {
    /// An image of which only the URI is known.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), id: None, etag: None, size: None }
    }

    /// Checks the length of URI and id.
    pub fn validate(&self) -> Result<(), InvalidImage> {
        let length = self.uri.len() + self.id.as_ref().map_or(0, String::len);
        if self.uri.is_empty() {
            Err(InvalidImage::Empty)
        } else if length > LARGEST_IMAGE_REFERENCE {
            Err(InvalidImage::TooLong { start: self.uri.chars().take(60).collect(), length })
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_uri_and_id() {
        assert!(ImageRef::new("a.jpg").validate().is_ok());
        assert_eq!(ImageRef::new("").validate(), Err(InvalidImage::Empty));
        let long = ImageRef { id: Some("i".repeat(1024)), ..ImageRef::new("u".repeat(1025)) };
        assert!(matches!(long.validate(), Err(InvalidImage::TooLong { length: 2049, .. })));
    }
}
