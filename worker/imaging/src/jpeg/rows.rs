//! The pixels of an image, made of its planes a row at a time, when they are asked for: whoever goes through them once has no need of all.

use super::planes::{Color, Plane, rgb};
use crate::{geometry::Part, sample::Sample};

/// The planes of an image and what they are.
#[derive(Clone, Debug)]
pub(crate) struct Rows<S: Sample> {
    planes: Vec<Plane<S>>,
    color: Color,
    /// What there is of the image.
    part: Part,
}

/// Room for the components of a row.
#[derive(Default)]
pub(crate) struct Room<S> {
    sums: Vec<u16>,
    lines: [Vec<S>; 4],
}

impl<S: Sample> Rows<S> {
    pub(super) fn new(planes: Vec<Plane<S>>, color: Color, part: Part) -> Self {
        Self { planes, color, part }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.part.rows.len()
    }

    /// Writes the pixels of row `number` in RGB. Compiled twice on x86-64, for processors with AVX2 and for others.
    pub fn write(&self, number: usize, room: &mut Room<S>, out: &mut [S]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, which is all that the function asks for.
            return unsafe { self.write_avx2(number, room, out) };
        }
        self.write_portable(number, room, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn write_avx2(&self, number: usize, room: &mut Room<S>, out: &mut [S]) {
        self.write_portable(number, room, out);
    }

    #[inline(always)]
    pub(super) fn write_portable(&self, number: usize, room: &mut Room<S>, out: &mut [S]) {
        assert!(number < self.count(), "row {number} of {}", self.count());
        let mut components = [&[][..]; 4];
        for ((row, plane), line) in components.iter_mut().zip(&self.planes).zip(&mut room.lines) {
            *row = plane.row(self.part.rows.start + number, &self.part.columns, &mut room.sums, line);
        }
        rgb(self.color, components, out);
    }
}
