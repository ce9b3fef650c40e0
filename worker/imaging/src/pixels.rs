//! The pixels of a decoded image: all of them, or what they are made of.

use std::borrow::Cow;

use crate::jpeg::{Room, Rows};
use crate::sample::{Fine, Sample};

/// The pixels of an image in RGB, row by row from the top, as its file has them.
#[derive(Clone, Debug)]
pub(crate) enum Pixels<S: Sample> {
    All(Vec<S>),
    /// Each row is made when it is asked for.
    Rows(Rows<S>),
}

impl<S: Sample> Pixels<S> {
    /// All of them, at `row` samples a row.
    pub fn all(&self, row: usize) -> Cow<'_, [S]> {
        match self {
            Self::All(pixels) => Cow::Borrowed(pixels),
            Self::Rows(rows) => {
                let (mut pixels, mut room) = (vec![S::default(); rows.count() * row], Room::default());
                for (number, out) in pixels.chunks_exact_mut(row).enumerate() {
                    rows.write(number, &mut room, out);
                }
                Cow::Owned(pixels)
            }
        }
    }
}

impl<S: Sample> From<Vec<S>> for Pixels<S> {
    fn from(pixels: Vec<S>) -> Self {
        Self::All(pixels)
    }
}

/// Pixels of either type of samples.
#[derive(Clone, Debug)]
pub(crate) enum Samples {
    Bytes(Pixels<u8>),
    Fine(Pixels<Fine>),
}
