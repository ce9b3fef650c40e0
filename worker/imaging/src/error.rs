//! Why an image has no pixels: the codes of error rows and messages for people.

/// Why an image has no pixels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not an image, or a format or variant that is not decoded here.
    #[error("{0}")]
    Unsupported(String),
    /// An image that breaks the rules of its format.
    #[error("{0}")]
    Undecodable(String),
    /// The file ends before the image does.
    #[error("{0}")]
    Truncated(String),
    /// More bytes than [`Limits::max_bytes`](crate::Limits::max_bytes).
    #[error("{bytes} bytes, the limit is {limit} bytes (--max-bytes)")]
    TooLarge {
        /// Size of the file.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More pixels than [`Limits::max_pixels`](crate::Limits::max_pixels).
    #[error(
        "{width}x{height} = {}, the limit is {} (--max-pixels)",
        pixels(u64::from(*width) * u64::from(*height)),
        pixels(*limit)
    )]
    TooManyPixels {
        /// Width that the header says.
        width: u32,
        /// Height that the header says.
        height: u32,
        /// The limit in pixels.
        limit: u64,
    },
    /// A side longer than any that is decoded here.
    #[error("{width}x{height} pixels, the longest side that is decoded is {limit}")]
    TooLong {
        /// Width that the header says.
        width: u32,
        /// Height that the header says.
        height: u32,
        /// The limit in pixels.
        limit: u32,
    },
}

impl DecodeError {
    /// The error code of the row.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsupported(_) => "unsupported",
            Self::Undecodable(_) => "undecodable",
            Self::Truncated(_) => "truncated",
            Self::TooLarge { .. } => "too_large",
            Self::TooManyPixels { .. } | Self::TooLong { .. } => "too_many_pixels",
        }
    }
}

/// A number of pixels for people.
fn pixels(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{count} pixels"),
        _ if count.is_multiple_of(1_000_000) => format!("{} megapixels", count / 1_000_000),
        _ => format!("{:.1} megapixels", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_what_was_found_and_the_remedy() {
        let bomb = DecodeError::TooManyPixels { width: 20_000, height: 20_000, limit: 100_000_000 };
        assert_eq!(bomb.to_string(), "20000x20000 = 400 megapixels, the limit is 100 megapixels (--max-pixels)");
        let small = DecodeError::TooManyPixels { width: 1001, height: 1001, limit: 5000 };
        assert_eq!(small.to_string(), "1001x1001 = 1.0 megapixels, the limit is 5000 pixels (--max-pixels)");
    }
}
