//! What one image may cost, and what to do with a file that ends too early.

use serde::{Deserialize, Serialize};

use crate::DecodeError;

/// Longest side in pixels that any format here is decoded at: JPEG's own limit.
const LONGEST_SIDE: u32 = 65_535;

/// Limits on one image. They can change a row, so they belong to a batch, not to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest file in bytes.
    pub max_bytes: u64,
    /// Largest image in pixels, width × height as the header says.
    pub max_pixels: u64,
    /// What becomes of a file that ends too early.
    pub on_truncated: OnTruncated,
}

/// What becomes of a file that ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTruncated {
    /// [`DecodeError::Truncated`].
    Error,
    /// What is there is decoded and [`Decoded::truncated`](crate::Decoded::truncated) is set.
    Warn,
}

impl Default for Limits {
    /// 64 MiB, 100 megapixels, truncated files are errors.
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_pixels: 100_000_000, on_truncated: OnTruncated::Error }
    }
}

impl Limits {
    /// Refuses files over the byte cap.
    pub(crate) fn check_bytes(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        let bytes = bytes.len() as u64;
        if bytes > self.max_bytes {
            return Err(DecodeError::TooLarge { bytes, limit: self.max_bytes });
        }
        Ok(())
    }

    /// Refuses sizes over the pixel cap; every format calls it with the header's size before it allocates.
    pub(crate) fn check_size(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        if width == 0 || height == 0 {
            return Err(DecodeError::Undecodable(format!("the header says {width}x{height} pixels")));
        }
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(DecodeError::TooManyPixels { width, height, limit: self.max_pixels });
        }
        if width.max(height) > LONGEST_SIDE {
            return Err(DecodeError::TooLong { width, height, limit: LONGEST_SIDE });
        }
        Ok(())
    }

    /// Most bytes a decoder may hold for one image within the pixel cap: four 16-bit samples a pixel, and some.
    pub(crate) fn max_allocation(&self) -> usize {
        usize::try_from(self.max_pixels.saturating_mul(8).saturating_add(16 << 20)).unwrap_or(usize::MAX)
    }

    /// `Ok` where a file that ends too early is to be used as far as it goes.
    pub(crate) fn allow_truncated(&self, reason: impl Into<String>) -> Result<(), DecodeError> {
        match self.on_truncated {
            OnTruncated::Warn => Ok(()),
            OnTruncated::Error => Err(DecodeError::Truncated(reason.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked_without_overflow() {
        let limits = Limits { max_pixels: u64::MAX, ..Limits::default() };
        assert_eq!(limits.check_size(u32::MAX, u32::MAX).unwrap_err().code(), "too_many_pixels");
        assert_eq!(limits.max_allocation(), usize::MAX);
        assert_eq!(Limits::default().check_size(0, 5).unwrap_err().code(), "undecodable");
        assert!(Limits::default().check_size(10_000, 10_000).is_ok());
        assert!(Limits::default().check_size(10_000, 10_001).is_err());
    }
}
