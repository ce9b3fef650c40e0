//! Resampling RGB pixels as Pillow 13 does, to the last bit: in two passes, 8 bits in between; a filter is stretched
//! when it shrinks, which antialiases. Which pass comes first changes the rounding, so it is Pillow's choice too.
//! The pixels of reduced images keep their fractions in between, and always begin with the columns of what is stored.
//!
//! An image that is stored turned is resized as it is stored, and turned when it is small.
//!
//! Rows are resized by `across`. The loops over columns are written once and compiled twice on x86-64, for AVX2 and without
//! it. All is integer arithmetic, so the result is the same everywhere.

use models::Filter;

use crate::across::Across;
use crate::decoded::{Decoded, Means};
use crate::geometry::Plan;
use crate::orientation::Orientation;
use crate::pixels::{Pixels, Samples};
use crate::reader::Reader;
use crate::sample::{Fine, Sample};
use crate::taps::{Axis, FRACTION, Taps};

/// A resampler; its buffers serve one image after the other.
#[derive(Default)]
pub(crate) struct Resizer {
    bytes: Passes<u8>,
    fine: Passes<Fine>,
    /// A resized image that is not yet turned the right way up.
    unturned: Vec<u8>,
}

impl Resizer {
    /// Writes what `plan` uses of the resized image, `plan.size` pixels of RGB8, into `out`.
    pub fn resize(&mut self, image: &Decoded, plan: &Plan, filter: Filter, out: &mut [u8]) {
        let orientation = image.orientation();
        if orientation == Orientation::default() {
            return self.resize_stored(image, plan, filter, out);
        }
        let (width, height) = orientation.size(plan.size);
        let mut unturned = std::mem::take(&mut self.unturned);
        unturned.resize(out.len(), 0);
        self.resize_stored(image, plan, filter, &mut unturned);
        orientation.apply(&unturned, (width as usize, height as usize), out);
        self.unturned = unturned;
    }

    /// Does so with pixels as they are stored. What is shown across may be stored down, and from the far end on.
    fn resize_stored(&mut self, image: &Decoded, plan: &Plan, filter: Filter, out: &mut [u8]) {
        let axis = |pixels: u32, means: Means, scaled: u32, first: u32, count: u32| Axis {
            pixels: pixels as usize,
            means,
            scale: f64::from(pixels) / f64::from(scaled),
            first: first as usize,
            count: count as usize,
            mirrored: None,
        };
        let (means, orientation, (columns, rows)) = (image.means(), image.orientation(), image.stored_size());
        let across = axis(image.width, means.0, plan.scaled.0, plan.crop.0, plan.size.0);
        let down = axis(image.height, means.1, plan.scaled.1, plan.crop.1, plan.size.1);
        let down_first = down_first((across.means(), down.means()), plan.scaled) != orientation.swap;
        let (across, down) = orientation.size((across, down));
        let across = Axis { mirrored: orientation.flip_u.then_some(columns), ..across };
        let down = Axis { mirrored: orientation.flip_v.then_some(rows), ..down };
        let row = columns * 3;
        match image.samples() {
            Samples::Bytes(pixels) if filter == Filter::Nearest => {
                nearest(&mut self.bytes.reader, (pixels, row), across, down, out);
            }
            Samples::Bytes(pixels) if down_first => {
                self.bytes.set(filter, across, down).down_then_across(pixels, row, out);
            }
            Samples::Bytes(pixels) => self.bytes.set(filter, across, down).across_then_down(pixels, row, out),
            // Rounded to sixteenths in between, the order hardly matters, but where a filter overshoots: columns are wide vectors
            // all the way.
            Samples::Fine(pixels) => self.fine.set(filter, across, down).down_then_across(pixels, row, out),
        }
    }
}

/// Both passes over samples of one type.
#[derive(Default)]
struct Passes<S> {
    across: Across,
    down: Taps,
    reader: Reader<S>,
    /// Source rows, resized across.
    rows: Vec<u8>,
    /// A row resized down, and samples after it.
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
    fn down_then_across(&mut self, pixels: &Pixels<S>, row: usize, out: &mut [u8]) {
        let (out_row, most) = (self.across.len() * 3, self.down.longest());
        self.line.resize(row + self.across.beyond(), S::default());
        self.reader.begin();
        for ((top, weights), out) in self.down.windows().zip(out.chunks_exact_mut(out_row)) {
            let rows = self.reader.window(pixels, row, top..top + weights.len(), most);
            resize_down(rows, weights, &mut self.line[..row]);
            self.across.run(&self.line, out);
        }
    }
}

impl Passes<u8> {
    /// Resizes the rows that count, then their columns.
    fn across_then_down(&mut self, pixels: &Pixels<u8>, row: usize, out: &mut [u8]) {
        let (first, end) = self.down.span();
        let (out_row, beyond) = (self.across.len() * 3, self.across.beyond());
        self.rows.resize((end - first) * out_row, 0);
        for (number, out) in (first..end).zip(self.rows.chunks_exact_mut(out_row)) {
            self.across.run(self.reader.line(pixels, row, number, beyond), out);
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

/// The pixel under the middle of each target pixel. Like Pillow, it walks from middle to middle and keeps the
/// rounding that adds up: it decides where a middle falls between two pixels.
fn nearest(reader: &mut Reader<u8>, (pixels, row): (&Pixels<u8>, usize), across: Axis, down: Axis, out: &mut [u8]) {
    let under = |axis: Axis| {
        let middles = std::iter::successors(Some(0.5 * axis.scale), move |middle| Some(middle + axis.scale));
        let wanted = middles.skip(axis.first).take(axis.count);
        let pixels = wanted.map(move |middle| (middle as usize).min(axis.pixels - 1) - axis.means.skipped);
        match axis.mirrored {
            None => pixels.collect::<Vec<_>>(),
            Some(there) => pixels.collect::<Vec<_>>().into_iter().rev().map(|pixel| there - 1 - pixel).collect(),
        }
    };
    let (columns, rows) = (under(across), under(down));
    let (out, _) = out.as_chunks_mut::<3>();
    for (number, out) in rows.into_iter().zip(out.chunks_exact_mut(across.count)) {
        let (line, _) = reader.line(pixels, row, number, 0).as_chunks::<3>();
        for (out, &column) in out.iter_mut().zip(&columns) {
            *out = line[column];
        }
    }
}

/// Sums rows of the length of `out`, from the first one in `rows` on.
fn resize_down<S: Sample>(rows: &[S], weights: &[i32], out: &mut [S]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        return unsafe { resize_down_avx2(rows, weights, out) };
    }
    down_portable(rows, weights, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn resize_down_avx2<S: Sample>(rows: &[S], weights: &[i32], out: &mut [S]) {
    down_portable(rows, weights, out);
}

#[inline(always)]
fn down_portable<S: Sample>(rows: &[S], weights: &[i32], out: &mut [S]) {
    const LANES: usize = 32;
    let row = out.len();
    let (blocks, rest) = out.as_chunks_mut::<LANES>();
    let rest_start = row - rest.len();
    for (number, out) in blocks.iter_mut().enumerate() {
        let mut sums = [half::<S>(); LANES];
        for (&weight, line) in weights.iter().zip(rows.chunks_exact(row)) {
            let Some(values) = line[number * LANES..].first_chunk::<LANES>() else { break };
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += weight * value.steps();
            }
        }
        // `map` would be a call, compiled for any processor.
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = clip(sum);
        }
    }
    for (column, out) in (rest_start..).zip(rest) {
        let values = rows.iter().skip(column).step_by(row);
        let sum = weights.iter().zip(values).map(|(&weight, &value)| weight * value.steps()).sum::<i32>();
        *out = clip(sum + half::<S>());
    }
}

/// A sum as a sample.
#[inline(always)]
fn clip<S: Sample>(sum: i32) -> S {
    S::clamped(sum >> weight_bits::<S>())
}

/// Half of what is cut off a sum.
#[inline(always)]
fn half<S: Sample>() -> i32 {
    1 << (weight_bits::<S>() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Limits, decoded::Raster, geometry::Need, jpeg};

    const FILTERS: [Filter; 5] = [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos];

    /// Columns of samples, compiled either way.
    fn every_way_is_the_same<S: Sample>() {
        let line: Vec<S> = (0..101 * 3).map(|i| S::clamped(i * i % S::WHITE)).collect();
        let mut taps = Taps::default();
        for filter in [Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            for width in [1, 31, 32, 100] {
                let axis = Axis { pixels: 3, means: Means::NONE, scale: 3.0, first: 0, count: 1, mirrored: None };
                taps.set(filter, axis, weight_bits::<S>());
                let weights: Vec<i32> = taps.windows().flat_map(|(_, weights)| weights.to_vec()).collect();
                let (mut chosen, mut portable) = (vec![S::default(); width], vec![S::default(); width]);
                resize_down(&line, &weights, &mut chosen);
                down_portable(&line, &weights, &mut portable);
                assert_eq!(chosen, portable);
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_pixels() {
        every_way_is_the_same::<u8>();
        every_way_is_the_same::<Fine>();
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
            mirrored: None,
        };
        let (mut of_bytes, mut of_fine) = (vec![0; 17 * 13 * 3], vec![0; 17 * 13 * 3]);
        let (across, down) = (axis(60, 17), axis(40, 13));
        let filter = Filter::Bicubic;
        Passes::default().set(filter, across, down).down_then_across(&bytes.into(), 180, &mut of_bytes);
        Passes::default().set(filter, across, down).down_then_across(&fine.into(), 180, &mut of_fine);
        // But for what is rounded between the passes.
        assert!(of_bytes.iter().zip(&of_fine).all(|(a, b)| a.abs_diff(*b) <= 1));
        assert_ne!(of_bytes, of_fine);
    }

    /// Resizes an image in many ways, and one whose pixels were all made first, and turned.
    fn check(image: &Decoded, resizer: &mut Resizer) {
        let (upright, mut reference) = (image.upright(), Resizer::default());
        let (width, height, of) = (image.width, image.height, image.means().0.of as u32);
        let swaps = of > 1 && image.orientation().swap;
        // Shrunk as far as it was reduced for, and otherwise; enlarged, beginning with either pass; and a part of it.
        let scaled = [(width / of / 2, height / of / 2), (9, 7), (width, 3), (3, height), (width * 2, height + 9)];
        for scaled in scaled.into_iter().take(if swaps { 1 } else { 5 }) {
            let (crop, size) = ((1, scaled.1 / 3), (scaled.0 - 2, scaled.1 - scaled.1 / 3));
            let plan = Plan { scaled, crop, place: (0, 0), size };
            // The nearest pixel of a reduced image is not asked for.
            for filter in FILTERS.into_iter().skip(usize::from(of > 1)) {
                let [mut out, mut expected] = [0, 1].map(|memory| vec![memory; (size.0 * size.1 * 3) as usize]);
                resizer.resize(image, &plan, filter, &mut out);
                reference.resize(&upright, &plan, filter, &mut expected);
                // Fractions are rounded between the passes, of which the other comes first, and limited to what samples can
                // be, which counts where a filter overshoots.
                let overshoots = matches!(filter, Filter::Bicubic | Filter::Lanczos);
                let most = [0, if overshoots { 8 } else { 2 }][usize::from(swaps)];
                let apart = out.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(apart <= Some(most), "{:?} {scaled:?} {filter:?}: {apart:?}", image.orientation());
            }
        }
    }

    #[test]
    fn neither_making_rows_on_the_way_nor_turning_in_the_end_changes_pixels() {
        let (mut resizer, mut reductions) = (Resizer::default(), Vec::new());
        for file in [&include_bytes!("../fixtures/reduced-420.jpg")[..], include_bytes!("../fixtures/reduced-422.jpg")]
        {
            for (side, value) in [4, 6, 13, 1000].into_iter().flat_map(|side| (1..=8).map(move |value| (side, value))) {
                let raster = jpeg::decode(file, &Limits::default(), &Need::Thumbnail(side)).unwrap();
                let image = Raster { orientation: Orientation::from_exif(value), ..raster }.into_decoded(Format::Jpeg);
                check(&image, &mut resizer);
                check(&image.all_made(), &mut resizer);
                reductions.push(image.means().0.of);
            }
        }
        assert!([1, 2, 4, 8].iter().all(|of| reductions.contains(of)), "{reductions:?}");
    }
}
