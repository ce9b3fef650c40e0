//! Resampling RGB pixels as Pillow 13 does, to the last bit: in two passes, 8 bits in between; a filter is stretched
//! when it shrinks, which antialiases. Which pass comes first changes the rounding, so it is Pillow's choice too.
//! The pixels of reduced images keep their fractions in between, and always begin with the columns.
//!
//! Rows are resized by `across`. The loops over columns are written once and compiled twice on x86-64, for AVX2 and without
//! it. All is integer arithmetic, so the result is the same everywhere.

use models::Filter;

use crate::across::Across;
use crate::decoded::{Decoded, Means};
use crate::geometry::Plan;
use crate::sample::{Fine, Sample, Samples};
use crate::taps::{Axis, FRACTION, Taps};

/// A resampler; its buffers serve one image after the other.
#[derive(Default)]
pub(crate) struct Resizer {
    bytes: Passes<u8>,
    fine: Passes<Fine>,
}

impl Resizer {
    /// Writes what `plan` uses of the resized image, `plan.size` pixels of RGB8, into `out`.
    pub fn resize(&mut self, image: &Decoded, plan: &Plan, filter: Filter, out: &mut [u8]) {
        let axis = |pixels: u32, means: Means, scaled: u32, first: u32, count: u32| Axis {
            pixels: pixels as usize,
            means,
            scale: f64::from(pixels) / f64::from(scaled),
            first: first as usize,
            count: count as usize,
        };
        let (means, row) = (image.means(), image.pixel_size().0 as usize * 3);
        let across = axis(image.width, means.0, plan.scaled.0, plan.crop.0, plan.size.0);
        let down = axis(image.height, means.1, plan.scaled.1, plan.crop.1, plan.size.1);
        match image.samples() {
            Samples::Bytes(pixels) if filter == Filter::Nearest => nearest(pixels, row, across, down, out),
            Samples::Bytes(pixels) if down_first((across.means(), down.means()), plan.scaled) => {
                self.bytes.set(filter, across, down).down_then_across(pixels, row, out);
            }
            Samples::Bytes(pixels) => self.bytes.set(filter, across, down).across_then_down(pixels, row, out),
            // Rounded to sixteenths in between, the order hardly matters: columns are wide vectors all the way.
            Samples::Fine(pixels) => self.fine.set(filter, across, down).down_then_across(pixels, row, out),
        }
    }
}

/// Both passes over samples of one type.
#[derive(Default)]
struct Passes<S> {
    across: Across,
    down: Taps,
    /// Source rows, resized across.
    rows: Vec<u8>,
    /// One row and samples after it: the last source row, or a row resized down.
    line: Vec<S>,
}

impl<S: Sample> Passes<S> {
    /// Computes the weights.
    fn set(&mut self, filter: Filter, across: Axis, down: Axis) -> &mut Self {
        self.across.set::<S>(filter, across);
        self.down.set(filter, down, weight_bits::<S>());
        self
    }

    /// Resizes whole columns, a row at a time, then that row.
    fn down_then_across(&mut self, pixels: &[S], row: usize, out: &mut [u8]) {
        let out_row = self.across.len() * 3;
        self.line.clear();
        self.line.resize(row + self.across.beyond(), S::default());
        for ((top, weights), out) in self.down.windows().zip(out.chunks_exact_mut(out_row)) {
            resize_down(&pixels[top * row..], weights, &mut self.line[..row]);
            self.across.run(&self.line, out);
        }
    }
}

impl Passes<u8> {
    /// Resizes the rows that count, then their columns.
    fn across_then_down(&mut self, pixels: &[u8], row: usize, out: &mut [u8]) {
        let (first, end) = self.down.span();
        let beyond = self.across.beyond();
        let out_row = self.across.len() * 3;
        self.rows.resize((end - first) * out_row, 0);
        for (y, out) in (first..end).zip(self.rows.chunks_exact_mut(out_row)) {
            let line = match pixels.get(y * row..(y + 1) * row + beyond) {
                Some(line) => line,
                None => {
                    self.line.clear();
                    self.line.extend_from_slice(&pixels[y * row..]);
                    self.line.resize(row + beyond, 0);
                    &self.line
                }
            };
            self.across.run(line, out);
        }
        for ((top, weights), out) in self.down.windows().zip(out.chunks_exact_mut(out_row)) {
            resize_down(&self.rows[(top - first) * out_row..], weights, out);
        }
    }
}

/// Fraction bits of the weights of samples: a sum of products fills 30 bits.
const fn weight_bits<S: Sample>() -> u32 {
    FRACTION - S::FRACTION
}

/// Whether Pillow resizes columns before rows: where the height loses more than twice the pixels that the width loses.
fn down_first((width, height): (usize, usize), scaled: (u32, u32)) -> bool {
    let lost = |from: usize, to: u32| from as i64 - i64::from(to);
    let down = lost(height, scaled.1);
    down > 0 && down > 2 * lost(width, scaled.0)
}

/// The pixel under the middle of each target pixel. Like Pillow, it walks from middle to middle and keeps the rounding
/// that adds up: it decides where a middle falls between two pixels.
fn nearest(pixels: &[u8], row: usize, across: Axis, down: Axis, out: &mut [u8]) {
    let under = |axis: Axis| {
        let middles = std::iter::successors(Some(0.5 * axis.scale), move |middle| Some(middle + axis.scale));
        let wanted = middles.skip(axis.first).take(axis.count);
        wanted.map(move |middle| (middle as usize).min(axis.pixels - 1) - axis.means.skipped).collect::<Vec<_>>()
    };
    let (columns, rows) = (under(across), under(down));
    let (from, _) = pixels.as_chunks::<3>();
    let (out, _) = out.as_chunks_mut::<3>();
    let width = row / 3;
    for (row, out) in rows.into_iter().zip(out.chunks_exact_mut(across.count)) {
        let line = &from[row * width..][..width];
        for (out, &column) in out.iter_mut().zip(&columns) {
            *out = line[column];
        }
    }
}

/// Sums rows of the length of `out`, from the first one in `rows` on.
fn resize_down<S: Sample, T: Sample>(rows: &[S], weights: &[i32], out: &mut [T]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        return unsafe { resize_down_avx2(rows, weights, out) };
    }
    down_portable(rows, weights, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn resize_down_avx2<S: Sample, T: Sample>(rows: &[S], weights: &[i32], out: &mut [T]) {
    down_portable(rows, weights, out);
}

#[inline(always)]
fn down_portable<S: Sample, T: Sample>(rows: &[S], weights: &[i32], out: &mut [T]) {
    const LANES: usize = 32;
    let row = out.len();
    let (blocks, rest) = out.as_chunks_mut::<LANES>();
    let rest_start = row - rest.len();
    for (number, out) in blocks.iter_mut().enumerate() {
        let mut sums = [half::<T>(); LANES];
        for (&weight, line) in weights.iter().zip(rows.chunks_exact(row)) {
            let Some(values) = line[number * LANES..].first_chunk::<LANES>() else { break };
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += weight * value.steps();
            }
        }
        *out = sums.map(clip);
    }
    for (column, out) in (rest_start..).zip(rest) {
        let values = rows.iter().skip(column).step_by(row);
        let sum = weights.iter().zip(values).map(|(&weight, &value)| weight * value.steps()).sum::<i32>();
        *out = clip(sum + half::<T>());
    }
}

/// A sum as a sample.
#[inline(always)]
fn clip<T: Sample>(sum: i32) -> T {
    T::clamped(sum >> weight_bits::<T>())
}

/// Half of what is cut off a sum.
#[inline(always)]
fn half<T: Sample>() -> i32 {
    1 << (weight_bits::<T>() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of samples of one type, to samples of another, compiled either way.
    fn every_way_is_the_same<S: Sample, T: Sample>() {
        let line: Vec<S> = (0..101 * 3).map(|i| S::clamped(i * i % S::WHITE)).collect();
        let mut taps = Taps::default();
        for filter in [Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            for width in [1, 31, 32, 100] {
                let axis = Axis { pixels: 3, means: Means::NONE, scale: 3.0, first: 0, count: 1 };
                taps.set(filter, axis, weight_bits::<S>());
                let weights: Vec<i32> = taps.windows().flat_map(|(_, weights)| weights.to_vec()).collect();
                let (mut chosen, mut portable) = (vec![T::default(); width], vec![T::default(); width]);
                resize_down(&line, &weights, &mut chosen);
                down_portable(&line, &weights, &mut portable);
                assert_eq!(chosen, portable);
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_pixels() {
        every_way_is_the_same::<u8, u8>();
        every_way_is_the_same::<Fine, Fine>();
    }

    #[test]
    fn fine_samples_of_whole_values_give_the_pixels_of_bytes() {
        let bytes: Vec<u8> = (0..60 * 40 * 3).map(|i| (i * i % 253) as u8).collect();
        let fine: Vec<Fine> = bytes.iter().map(|&byte| Fine::from(byte) << Fine::FRACTION).collect();
        let axis = |pixels: usize, count: usize| Axis {
            pixels,
            means: Means::NONE,
            scale: pixels as f64 / count as f64,
            first: 0,
            count,
        };
        let (mut of_bytes, mut of_fine) = (vec![0; 17 * 13 * 3], vec![0; 17 * 13 * 3]);
        let (across, down) = (axis(60, 17), axis(40, 13));
        let filter = Filter::Bicubic;
        Passes::default().set(filter, across, down).down_then_across(&bytes, 180, &mut of_bytes);
        Passes::default().set(filter, across, down).down_then_across(&fine, 180, &mut of_fine);
        // But for what is rounded between the passes.
        assert!(of_bytes.iter().zip(&of_fine).all(|(a, b)| a.abs_diff(*b) <= 1));
        assert_ne!(of_bytes, of_fine);
    }
}
