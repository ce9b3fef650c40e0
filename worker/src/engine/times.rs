//! How long an engine worked on an image, as it tells its parent.

use std::time::Duration;

use crate::observe::{Stage, metrics};

/// How long the parts of the work on an image took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// From bytes to the model's input tensor: of both looks if there were two.
    pub decode: Duration,
    /// From the input tensor to scores, likewise; zero if it did not come to that.
    pub infer: Duration,
    /// Whether the image was a close call, and decoded once more in full.
    pub second_look: bool,
}

impl Times {
    /// Counts them into the metrics of the parent.
    pub(super) fn record(self) {
        metrics().took(Stage::Decode, self.decode);
        if !self.infer.is_zero() {
            metrics().took(Stage::Infer, self.infer);
        }
        if self.second_look {
            metrics().second_looks.increment();
        }
    }

    pub(super) const BYTES: usize = 17;

    pub(super) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&(self.decode.as_micros() as u64).to_le_bytes());
        bytes[8..16].copy_from_slice(&(self.infer.as_micros() as u64).to_le_bytes());
        bytes[16] = self.second_look.into();
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let microseconds = |at: usize| {
            let mut field = [0; 8];
            field.copy_from_slice(&bytes[at..at + 8]);
            Duration::from_micros(u64::from_le_bytes(field))
        };
        Self { decode: microseconds(0), infer: microseconds(8), second_look: bytes[16] != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_looks_are_counted() {
        let before = metrics().second_looks.get();
        Times::default().record();
        assert_eq!(metrics().second_looks.get(), before);
        Times { second_look: true, ..Times::default() }.record();
        assert_eq!(metrics().second_looks.get(), before + 1);
    }
}
