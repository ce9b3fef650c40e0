//! A copy of the input with a border, so that no kernel asks whether a tap lies outside of the image.

use std::ops::Range;

/// Where an image lies inside of its bordered copy. `unit` is the number of floats of a pixel in one plane:
/// 16 in the blocked layout, 1 in the planar one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Border {
    pub planes: usize,
    pub height: usize,
    pub width: usize,
    pub unit: usize,
    pub top: usize,
    pub left: usize,
    /// Pixels of a bordered row; what does not fit is cut off.
    pub bordered: usize,
}

impl Border {
    /// Floats of `rows` bordered rows in every plane.
    pub fn len(&self, rows: usize) -> usize {
        self.planes * rows * self.bordered * self.unit
    }

    /// Copies the bordered `rows` of every plane to `to`, zeros where there is no input.
    pub fn copy(&self, input: &[f32], rows: Range<usize>, to: &mut [f32]) {
        let row_len = self.bordered * self.unit;
        let left = (self.left * self.unit).min(row_len);
        let inside = (self.width * self.unit).min(row_len - left);
        let planes = input.chunks_exact(self.height * self.width * self.unit);
        for (plane, to) in planes.zip(to.chunks_exact_mut(rows.len() * row_len)) {
            for (row, to) in rows.clone().zip(to.chunks_exact_mut(row_len)) {
                if row < self.top || row >= self.top + self.height {
                    to.fill(0.0);
                    continue;
                }
                let from = (row - self.top) * self.width * self.unit;
                to[..left].fill(0.0);
                to[left..left + inside].copy_from_slice(&plane[from..from + inside]);
                to[left + inside..].fill(0.0);
            }
        }
    }
}
