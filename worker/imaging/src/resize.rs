//! Resampling RGB8 pixels as Pillow 13 does, to the last bit: in two passes, 8 bits in between; a filter is stretched
//! when it shrinks, which antialiases. Which pass comes first changes the rounding, so it is Pillow's choice too.
//!
//! The loops are written once and compiled twice on x86-64, for AVX2 and without it. They are integer arithmetic, so
//! the result is the same everywhere.

use models::Filter;

use crate::decoded::{Decoded, Means};
use crate::geometry::Plan;
use crate::taps::{Axis, FRACTION, Taps};

/// Bytes after a row that are read, but do not count: pixels are read eight bytes at a time.
const BEYOND: usize = 5;

/// A resampler; its buffers serve one image after the other.
#[derive(Default)]
pub(crate) struct Resizer {
    across: Taps,
    down: Taps,
    /// Source rows, resized across.
    rows: Vec<u8>,
    /// One row and bytes after it: the last source row, or a row resized down.
    line: Vec<u8>,
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
        if filter == Filter::Nearest {
            return nearest(image.pixels(), row, across, down, out);
        }
        self.across.set(filter, across);
        self.down.set(filter, down);
        if down_first((across.means(), down.means()), plan.scaled) {
            self.down_then_across(image.pixels(), row, out);
        } else {
            self.across_then_down(image.pixels(), row, out);
        }
    }

    /// Resizes the rows of `row` bytes that count, then their columns.
    fn across_then_down(&mut self, pixels: &[u8], row: usize, out: &mut [u8]) {
        let (first, end) = self.down.span();
        let out_row = self.across.len() * 3;
        self.rows.resize((end - first) * out_row, 0);
        for (y, out) in (first..end).zip(self.rows.chunks_exact_mut(out_row)) {
            let line = match pixels.get(y * row..(y + 1) * row + BEYOND) {
                Some(line) => line,
                None => {
                    self.line.clear();
                    self.line.extend_from_slice(&pixels[y * row..]);
                    self.line.resize(row + BEYOND, 0);
                    &self.line
                }
            };
            resize_across(line, &self.across, out);
        }
        for ((top, weights), out) in self.down.windows().zip(out.chunks_exact_mut(out_row)) {
            resize_down(&self.rows[(top - first) * out_row..], weights, out);
        }
    }

    /// Resizes whole columns, a row of `row` bytes at a time, then that row.
    fn down_then_across(&mut self, pixels: &[u8], row: usize, out: &mut [u8]) {
        let out_row = self.across.len() * 3;
        self.line.clear();
        self.line.resize(row + BEYOND, 0);
        for ((top, weights), out) in self.down.windows().zip(out.chunks_exact_mut(out_row)) {
            resize_down(&pixels[top * row..], weights, &mut self.line[..row]);
            resize_across(&self.line, &self.across, out);
        }
    }
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

/// Resizes a row; `line` has `BEYOND` bytes more than its pixels.
fn resize_across(line: &[u8], taps: &Taps, out: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        return unsafe { resize_across_avx2(line, taps, out) };
    }
    across_portable(line, taps, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn resize_across_avx2(line: &[u8], taps: &Taps, out: &mut [u8]) {
    across_portable(line, taps, out);
}

#[inline(always)]
fn across_portable(line: &[u8], taps: &Taps, out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut::<3>();
    for (out, (first, pairs)) in out.iter_mut().zip(taps.pairs()) {
        let mut sums = [0; 8];
        let bytes = line[first * 3..].windows(8).step_by(6);
        for (weights, bytes) in pairs.iter().zip(bytes) {
            for ((sum, &weight), &byte) in sums.iter_mut().zip(weights).zip(bytes) {
                *sum += weight * i32::from(byte);
            }
        }
        // All lanes, though three count: as one vector they cost less than three by themselves.
        let pixel: [u8; 8] =
            std::array::from_fn(|lane| clip(sums[lane] + sums[(lane + 3) % 8] + (1 << (FRACTION - 1))));
        out.copy_from_slice(&pixel[..3]);
    }
}

/// Sums rows of the length of `out`, from the first one in `rows` on.
fn resize_down(rows: &[u8], weights: &[i32], out: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        return unsafe { resize_down_avx2(rows, weights, out) };
    }
    down_portable(rows, weights, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn resize_down_avx2(rows: &[u8], weights: &[i32], out: &mut [u8]) {
    down_portable(rows, weights, out);
}

#[inline(always)]
fn down_portable(rows: &[u8], weights: &[i32], out: &mut [u8]) {
    const LANES: usize = 32;
    let row = out.len();
    let (blocks, rest) = out.as_chunks_mut::<LANES>();
    let rest_start = row - rest.len();
    for (number, out) in blocks.iter_mut().enumerate() {
        let mut sums = [1 << (FRACTION - 1); LANES];
        for (&weight, line) in weights.iter().zip(rows.chunks_exact(row)) {
            let Some(values) = line[number * LANES..].first_chunk::<LANES>() else { break };
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += weight * i32::from(value);
            }
        }
        *out = sums.map(clip);
    }
    for (column, out) in (rest_start..).zip(rest) {
        let values = rows.iter().skip(column).step_by(row);
        let sum = weights.iter().zip(values).map(|(&weight, &value)| weight * i32::from(value)).sum::<i32>();
        *out = clip(sum + (1 << (FRACTION - 1)));
    }
}

/// A sum as a pixel value.
#[inline(always)]
fn clip(sum: i32) -> u8 {
    (sum >> FRACTION).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_gives_the_same_pixels() {
        let line: Vec<u8> = (0..101 * 3 + BEYOND).map(|i| (i * i % 253) as u8).collect();
        let mut taps = Taps::default();
        for filter in [Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            for scaled in [7, 40, 101, 230] {
                let scale = 101.0 / scaled as f64;
                taps.set(filter, Axis { pixels: 101, means: Means::NONE, scale, first: 0, count: scaled });
                let (mut chosen, mut portable) = (vec![0; scaled * 3], vec![0; scaled * 3]);
                resize_across(&line, &taps, &mut chosen);
                across_portable(&line, &taps, &mut portable);
                assert_eq!(chosen, portable);
            }
            for width in [1, 31, 32, 100] {
                taps.set(filter, Axis { pixels: 3, means: Means::NONE, scale: 3.0, first: 0, count: 1 });
                let weights: Vec<i32> = taps.windows().flat_map(|(_, weights)| weights.to_vec()).collect();
                let (mut chosen, mut portable) = (vec![0; width], vec![0; width]);
                resize_down(&line, &weights, &mut chosen);
                down_portable(&line, &weights, &mut portable);
                assert_eq!(chosen, portable);
            }
        }
    }
}
