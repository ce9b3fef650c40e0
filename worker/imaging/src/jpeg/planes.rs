//! The samples of a file's components, and their way to RGB8 rows.

use std::ops::Range;

use super::frame::Frame;
use super::idct::Size;
use crate::buffers;

/// The samples of one component.
pub(super) struct Plane {
    pub samples: Vec<u8>,
    /// Samples from one row to the next.
    pub stride: usize,
    /// Size of a block of samples.
    pub size: Size,
    /// Samples across and down that belong to the image.
    width: usize,
    height: usize,
    /// How many samples of the image stand for how many of the component, across and down.
    across: (usize, usize),
    down: (usize, usize),
}

impl Plane {
    /// Grey planes for the components of a frame, at `1 / reduction` of its size.
    pub fn all(frame: &Frame, reduction: usize) -> Vec<Self> {
        let plane = |component| {
            let component: &super::frame::Component = component;
            let size = frame.block_size(component, reduction);
            let side = size.side();
            let stride = component.padded.0 * side;
            let length = |full: usize, of: usize, largest: usize| (full * of * side).div_ceil(largest * 8);
            let ratio = |of: usize, largest: usize| (largest * (8 / reduction), of * side);
            Self {
                samples: grey(stride * component.padded.1 * side),
                stride,
                size,
                width: length(frame.width, component.sampling.0, frame.sampling.0),
                height: length(frame.height, component.sampling.1, frame.sampling.1),
                across: ratio(component.sampling.0, frame.sampling.0),
                down: ratio(component.sampling.1, frame.sampling.1),
            }
        };
        frame.components.iter().map(plane).collect()
    }

    /// The samples of some columns of row `y` of the image. Twice as large planes are interpolated with a triangle, others repeat
    /// their samples.
    #[inline(always)]
    pub fn row<'a>(&'a self, y: usize, columns: &Range<usize>, sums: &mut Vec<i16>, out: &'a mut Vec<u8>) -> &'a [u8] {
        let is = |ratio: (usize, usize), times: usize| ratio.0 == ratio.1 * times;
        let line = |row: usize| &self.samples[row.min(self.height - 1) * self.stride..][..self.width];
        if is(self.across, 1) && is(self.down, 1) {
            return &line(y)[columns.clone()];
        }
        let near = y * self.down.1 / self.down.0;
        // The next nearest row, or the nearest once more at the edges.
        let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(self.height - 1) };
        // Planes of two columns are not interpolated by the usual decoders, whose pixels these are to be.
        let wide = self.width > 2 && self.size != Size::One;
        // Of a row that is doubled: the samples that count, and one beside them, which the edges are made of.
        let halves = (columns.start / 2).saturating_sub(1)..(columns.end.div_ceil(2) + 1).min(self.width);
        let doubled = columns.start - 2 * halves.start..columns.end - 2 * halves.start;
        if is(self.across, 2) && is(self.down, 1) && wide {
            out.resize(2 * halves.len(), 0);
            double(&line(near)[halves], out);
            &out[doubled]
        } else if is(self.across, 2) && is(self.down, 2) && wide {
            let (near, far) = (&line(near)[halves.clone()], &line(far)[halves]);
            sums.clear();
            sums.extend(near.iter().zip(far).map(|(&near, &far)| 3 * i16::from(near) + i16::from(far)));
            out.resize(2 * sums.len(), 0);
            double_sums(sums, out);
            &out[doubled]
        } else if is(self.across, 1) && is(self.down, 2) && self.size != Size::One {
            let bias = if y.is_multiple_of(2) { 1 } else { 2 };
            let (near, far) = (&line(near)[columns.clone()], &line(far)[columns.clone()]);
            out.clear();
            out.extend(
                near.iter().zip(far).map(|(&near, &far)| ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8),
            );
            out
        } else {
            let row = line(near);
            out.clear();
            out.extend(columns.clone().map(|x| row[(x * self.across.1 / self.across.0).min(self.width - 1)]));
            out
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        buffers::give(std::mem::take(&mut self.samples));
    }
}

/// Samples that nothing was written to yet.
fn grey(length: usize) -> Vec<u8> {
    let mut samples = buffers::take(length);
    samples.fill(128);
    samples
}

/// Interpolates a row of more than two samples to twice as many: three parts of the nearer sample, one of the next.
#[inline(always)]
fn double(row: &[u8], out: &mut [u8]) {
    let at = |i: usize| u16::from(row[i.min(row.len() - 1)]);
    for (i, out) in out.chunks_mut(2).enumerate() {
        let near = 3 * at(i);
        let (before, after) = (at(i.saturating_sub(1)), at(i + 1));
        out[0] = ((near + before + 1) >> 2) as u8;
        if let Some(out) = out.get_mut(1) {
            *out = ((near + after + 2) >> 2) as u8;
        }
    }
}

/// The same for sums of two rows, which are four times as large.
#[inline(always)]
fn double_sums(sums: &[i16], out: &mut [u8]) {
    let last = sums.len() - 1;
    let pairs = out.chunks_mut(2);
    for ((i, out), &near) in pairs.enumerate().zip(sums) {
        let (before, after) = (sums[i.saturating_sub(1)], sums[(i + 1).min(last)]);
        out[0] = ((3 * near + before + 8) >> 4) as u8;
        if let Some(out) = out.get_mut(1) {
            *out = ((3 * near + after + 7) >> 4) as u8;
        }
    }
}

/// What the components of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    Grey,
    Ycc,
    Rgb,
    /// Inks, inverted as Adobe writes them and everyone reads them.
    Cmyk,
    /// Inverted inks, of which the first three are stored as luma and colour differences.
    Ycck,
}

/// A row of RGB8 from the rows of up to four components.
#[inline(always)]
pub(super) fn rgb(color: Color, [first, second, third, fourth]: [&[u8]; 4], out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut::<3>();
    match color {
        Color::Rgb => {
            for (((out, &r), &g), &b) in out.iter_mut().zip(first).zip(second).zip(third) {
                *out = [r, g, b];
            }
        }
        Color::Ycc => {
            for (((out, &y), &cb), &cr) in out.iter_mut().zip(first).zip(second).zip(third) {
                *out = ycc(y, cb, cr);
            }
        }
        Color::Cmyk | Color::Ycck => {
            let inks = first.iter().zip(second).zip(third).zip(fourth);
            for (out, (((&c, &m), &y), &k)) in out.iter_mut().zip(inks) {
                // The conversion to inks inverts once more.
                let [c, m, y] = if color == Color::Ycck { ycc(c, m, y) } else { [255 - c, 255 - m, 255 - y] };
                *out = crate::samples::cmyk([c, m, y, 255 - k]);
            }
        }
        Color::Grey => {
            for (out, &grey) in out.iter_mut().zip(first) {
                *out = [grey; 3];
            }
        }
    }
}

/// JFIF's colour conversion in 16-bit fixed point.
#[inline(always)]
fn ycc(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let r = y + ((91_881 * cr + HALF) >> 16);
    let g = y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16);
    let b = y + ((116_130 * cb + HALF) >> 16);
    [r, g, b].map(|value| value.clamp(0, 255) as u8)
}
