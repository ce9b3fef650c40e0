//! The samples of a file's components, and their way to rows of RGB.

use std::ops::Range;

use super::frame::{Component, Frame};
use super::scale::Size;
use super::window::Window;
use crate::sample::Sample;
use crate::{buffers::Buffer, geometry::Part};

/// The samples of one component.
#[derive(Clone, Debug)]
pub(super) struct Plane<S: Sample> {
    samples: Buffer<S>,
    /// How many of them were made; those after them hold anything.
    made: usize,
    /// Samples from one row to the next.
    stride: usize,
    /// Size of a block of samples.
    pub size: Size,
    /// Column and row of the first block that there is.
    first: (usize, usize),
    /// Samples across and down that belong to the image.
    width: usize,
    height: usize,
    /// How many samples of the image stand for how many of the component, across and down.
    across: (usize, usize),
    down: (usize, usize),
}

impl<S: Sample> Plane<S> {
    /// Planes for what is decoded of the components of a frame.
    pub fn all(frame: &Frame, window: &Window) -> Vec<Self> {
        let reduction = window.reduction;
        let plane = |(component, blocks): (&Component, &Part)| {
            let size = frame.block_size(component, reduction);
            let side = size.side();
            let stride = blocks.columns.len() * side;
            let length = |full: usize, of: usize, largest: usize| (full * of * side).div_ceil(largest * 8);
            let ratio = |of: usize, largest: usize| (largest * (8 / reduction), of * side);
            Self {
                samples: Buffer::new(stride * blocks.rows.len() * side),
                made: 0,
                stride,
                size,
                first: (blocks.columns.start, blocks.rows.start),
                width: length(frame.width, component.sampling.0, frame.sampling.0),
                height: length(frame.height, component.sampling.1, frame.sampling.1),
                across: ratio(component.sampling.0, frame.sampling.0),
                down: ratio(component.sampling.1, frame.sampling.1),
            }
        };
        frame.components.iter().zip(&window.blocks).map(plane).collect()
    }

    /// What a row of groups needs on its way to samples.
    pub fn strip(&self, component: &Component) -> Strip {
        let side = self.size.side();
        Strip { values: vec![0; self.stride * component.sampling.1 * side], stride: self.stride, side }
    }

    /// Makes samples of the values of blocks in these columns, for these rows of blocks. Rows come one after the other, and columns of
    /// a row, too.
    #[inline(always)]
    pub fn settle(&mut self, strip: &Strip, columns: Range<usize>, rows: Range<usize>) {
        let columns = columns.start * strip.side..columns.end * strip.side;
        let rows = strip.distance((0, rows.start))..strip.distance((0, rows.end));
        let is_new = rows.end > self.made;
        self.made = self.made.max(rows.end);
        let rows = self.samples[rows].chunks_exact_mut(self.stride).zip(strip.values.chunks_exact(self.stride));
        let fraction = self.size.fraction();
        for (samples, values) in rows {
            if is_new && columns.start == 0 {
                // If the data ends before the others come.
                samples[columns.end..].fill(grey());
            }
            for (sample, &value) in samples[columns.clone()].iter_mut().zip(&values[columns.clone()]) {
                *sample = S::clamped(value >> fraction);
            }
        }
    }

    /// Makes grey what was not made.
    pub fn grey(&mut self) {
        self.samples[self.made..].fill(grey());
    }

    /// The samples of some columns of row `y` of the image. Twice as large planes are interpolated with a triangle, others repeat
    /// their samples.
    #[inline(always)]
    pub fn row<'a>(&'a self, y: usize, columns: &Range<usize>, sums: &mut Vec<u16>, out: &'a mut Vec<S>) -> &'a [S] {
        let is = |ratio: (usize, usize), times: usize| ratio.0 == ratio.1 * times;
        let (left, top) = (self.first.0 * self.size.side(), self.first.1 * self.size.side());
        let line = |row: usize| &self.samples[(row.min(self.height - 1) - top) * self.stride..][..self.stride];
        let there = |columns: &Range<usize>| columns.start - left..columns.end - left;
        if is(self.across, 1) && is(self.down, 1) {
            return &line(y)[there(columns)];
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
            out.resize(2 * halves.len(), S::default());
            double(&line(near)[there(&halves)], out);
            &out[doubled]
        } else if is(self.across, 2) && is(self.down, 2) && wide {
            let (near, far) = (&line(near)[there(&halves)], &line(far)[there(&halves)]);
            sums.clear();
            sums.extend(near.iter().zip(far).map(|(&near, &far)| 3 * short(near) + short(far)));
            out.resize(2 * sums.len(), S::default());
            double_sums(sums, out);
            &out[doubled]
        } else if is(self.across, 1) && is(self.down, 2) && self.size != Size::One {
            let bias = if y.is_multiple_of(2) { 1 } else { 2 };
            let (near, far) = (&line(near)[there(columns)], &line(far)[there(columns)]);
            out.clear();
            out.extend(near.iter().zip(far).map(|(&near, &far)| S::of((3 * short(near) + short(far) + bias) >> 2)));
            out
        } else {
            let row = line(near);
            out.clear();
            out.extend(columns.clone().map(|x| row[(x * self.across.1 / self.across.0).min(self.width - 1) - left]));
            out
        }
    }
}

/// Values that become the samples of a plane: those of a row of groups.
pub(super) struct Strip {
    values: Vec<i32>,
    /// Values from one row to the next.
    stride: usize,
    /// Values of a block's side.
    side: usize,
}

impl Strip {
    /// The values from this one on, and how many there are from one row to the next.
    #[inline(always)]
    pub fn values(&mut self, start: usize) -> (&mut [i32], usize) {
        (&mut self.values[start..], self.stride)
    }

    /// Values from a block to the one that is so many columns and rows after it.
    #[inline(always)]
    pub fn distance(&self, (columns, rows): (usize, usize)) -> usize {
        (rows * self.stride + columns) * self.side
    }
}

/// A sample that the data says nothing of.
#[inline(always)]
fn grey<S: Sample>() -> S {
    S::clamped(128 << S::FRACTION)
}

/// A sample with room for the sum of sixteen.
#[inline(always)]
fn short<S: Sample>(sample: S) -> u16 {
    sample.steps() as u16
}

/// Interpolates a row to twice as many samples: three parts of the nearer sample, one of the next.
#[inline(always)]
fn double<S: Sample>(row: &[S], out: &mut [S]) {
    let pair = |before: S, near: S, after: S| {
        let near = 3 * short(near);
        [S::of((near + short(before) + 1) >> 2), S::of((near + short(after) + 2) >> 2)]
    };
    twice(row, out, pair);
}

/// The same for sums of two rows, which are four times as large.
#[inline(always)]
fn double_sums<S: Sample>(sums: &[u16], out: &mut [S]) {
    twice(sums, out, |before, near, after| [S::of((3 * near + before + 8) >> 4), S::of((3 * near + after + 7) >> 4)]);
}

/// Makes two samples of each and of those beside it; at the edges, what is beyond is as what is there.
#[inline(always)]
fn twice<T: Copy, S>(row: &[T], out: &mut [S], pair: impl Fn(T, T, T) -> [S; 2]) {
    let (pairs, _) = out.as_chunks_mut::<2>();
    let last = row.len() - 1;
    pairs[0] = pair(row[0], row[0], row[last.min(1)]);
    pairs[last] = pair(row[last.saturating_sub(1)], row[last], row[last]);
    for (out, beside) in pairs[1..].iter_mut().zip(row.windows(3)) {
        *out = pair(beside[0], beside[1], beside[2]);
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

/// A row of RGB from the rows of up to four components.
#[inline(always)]
pub(super) fn rgb<S: Sample>(color: Color, [first, second, third, fourth]: [&[S]; 4], out: &mut [S]) {
    let (out, _) = out.as_chunks_mut::<3>();
    match color {
        Color::Rgb => {
            for (((out, &r), &g), &b) in out.iter_mut().zip(first).zip(second).zip(third) {
                *out = [r, g, b];
            }
        }
        Color::Ycc => {
            let pieces = first.chunks(AT_ONCE).zip(second.chunks(AT_ONCE)).zip(third.chunks(AT_ONCE));
            for (out, ((y, cb), cr)) in out.chunks_mut(AT_ONCE).zip(pieces) {
                of_ycc([y, cb, cr], out);
            }
        }
        Color::Cmyk | Color::Ycck => {
            let inks = first.iter().zip(second).zip(third).zip(fourth);
            for (out, (((&c, &m), &y), &k)) in out.iter_mut().zip(inks) {
                // The conversion to inks inverts once more.
                let inverted = |ink: S| S::clamped(S::WHITE - ink.steps());
                let [c, m, y] = if color == Color::Ycck { ycc(c, m, y) } else { [c, m, y].map(inverted) };
                *out = crate::samples::cmyk([c, m, y, inverted(k)]);
            }
        }
        Color::Grey => {
            for (out, &grey) in out.iter_mut().zip(first) {
                *out = [grey; 3];
            }
        }
    }
}

/// Pixels that are converted at once, at most.
const AT_ONCE: usize = 32;

/// Pixels from luma and colour differences. Channel by channel, of which compilers make better vectors, and then together.
#[inline(always)]
fn of_ycc<S: Sample>([y, cb, cr]: [&[S]; 3], out: &mut [[S; 3]]) {
    let [mut red, mut green, mut blue] = [[S::default(); AT_ONCE]; 3];
    let rgb = red.iter_mut().zip(&mut green).zip(&mut blue);
    for (((r, g), b), ((&y, &cb), &cr)) in rgb.zip(y.iter().zip(cb).zip(cr)) {
        [*r, *g, *b] = ycc(y, cb, cr);
    }
    for (((out, &r), &g), &b) in out.iter_mut().zip(&red).zip(&green).zip(&blue) {
        *out = [r, g, b];
    }
}

/// JFIF's colour conversion in 16-bit fixed point, rounded to whole values as a full decode does it.
///
/// A mean is taken for a mixture of the two whole values next to it, which it mostly is, and becomes the same mixture of what
/// they become: of what the lower one becomes, and a share of what the next one adds. Rounding only the result would differ more: where the
/// colour hardly changes, all pixels round alike.
///
/// All in numbers of 16 bits, of which a vector holds twice as many as of 32: `91,881 = 2¹⁶ + 26,345`, and so on. What the next value adds
/// is then 1, 0 or -1, and what is left of rounding tells which.
#[inline(always)]
fn ycc<S: Sample>(y: S, cb: S, cr: S) -> [S; 3] {
    let [y, cb, cr] = [y, cb, cr].map(|sample| sample.steps() as i16);
    let steps = 1 << S::FRACTION;
    let (blueness, redness) = (cb & (steps - 1), cr & (steps - 1));
    let [cb, cr] = [cb, cr].map(|value| (value >> S::FRACTION) - 128);

    let red = Product::of(26_345, cr);
    let r = y + (cr + red.rounded()) * steps + redness + red.if_rises(26_345, redness);
    let blue = Product::of(-14_942, cb);
    let b = y + (2 * cb + blue.rounded()) * steps + 2 * blueness - blue.if_falls(14_942, blueness);
    let green = Product::of(-22_554, cb).plus(Product::of(18_734, cr));
    // What the share of the next blue takes here, and what it takes beside the next red, less what that one adds to both: a product that
    // rises with red always falls again with blue.
    let taken = green.if_falls(22_554, blueness);
    let taken_next = green.if_falls(22_554 - 18_734, blueness) - green.if_rises(18_734, steps - blueness);
    let more_red = taken - taken_next - steps;
    let g = y + (green.rounded() - cr) * steps - taken + ((more_red * redness) >> S::FRACTION);
    [r, g, b].map(|value| S::clamped(value.into()))
}

/// The product of a value and a factor, in units of 2⁻¹⁶: its upper and its lower half.
#[derive(Clone, Copy)]
struct Product {
    high: i16,
    low: i16,
}

impl Product {
    #[inline(always)]
    fn of(factor: i16, value: i16) -> Self {
        let high = (i32::from(factor) * i32::from(value)) >> 16;
        // Of the 32 bits, compilers would take both halves, with detours.
        Self { high: high as i16, low: factor.wrapping_mul(value) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        let low = self.low.wrapping_add(other.low);
        let carry = i16::from((low as u16) < other.low as u16);
        Self { high: self.high + other.high + carry, low }
    }

    /// The nearest whole value. The lower half, as a signed number, is what is left.
    #[inline(always)]
    fn rounded(self) -> i16 {
        self.high + (self.low as u16 >> 15) as i16
    }

    /// A share, if the nearest whole value is the next one after this factor is added to the product.
    #[inline(always)]
    fn if_rises(self, factor: i16, share: i16) -> i16 {
        if self.low > i16::MAX - factor { share } else { 0 }
    }

    /// A share, if it is the one before after this factor is subtracted.
    #[inline(always)]
    fn if_falls(self, factor: i16, share: i16) -> i16 {
        if self.low < i16::MIN + factor { share } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Fine;

    /// As it is written down, with whole values: what a value becomes.
    fn whole(y: i32, cb: i32, cr: i32) -> [i32; 3] {
        let (cb, cr) = (cb - 128, cr - 128);
        let rounded = |product: i32| (product + (1 << 15)) >> 16;
        let green = rounded(-22_554 * cb - 46_802 * cr);
        [y + rounded(91_881 * cr), y + green, y + rounded(116_130 * cb)]
    }

    #[test]
    fn whole_colours_are_those_of_the_usual_decoders() {
        for (cb, cr) in (0..=255).flat_map(|cb| (0..=255).map(move |cr| (cb, cr))) {
            for y in [0, 100, 255] {
                let expected = whole(y.into(), cb.into(), cr.into()).map(|value| value.clamp(0, 255) as u8);
                assert_eq!(ycc(y, cb, cr), expected, "{y} {cb} {cr}");
            }
        }
    }

    #[test]
    fn fine_colours_are_mixtures_of_whole_ones() {
        for (cb, cr) in (0..=255 << 4).flat_map(|cb| (0..=255 << 4).map(move |cr| (cb, cr))) {
            let (blueness, redness) = (cb & 15, cr & 15);
            let mut sums = [0; 3];
            for (blue, red) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let share = |next: i32, share: i32| if next == 1 { share } else { 16 - share };
                let share = share(blue, blueness) * share(red, redness);
                let whole = whole(0, (cb >> 4) + blue, (cr >> 4) + red);
                sums = std::array::from_fn(|channel| sums[channel] + share * whole[channel]);
            }
            for y in [0, 1700, 255 << 4] {
                let expected = sums.map(|sum| (y + (sum >> 4)).clamp(0, 255 << 4) as Fine);
                assert_eq!(ycc(y as Fine, cb as Fine, cr as Fine), expected, "{y} {cb} {cr}");
            }
        }
    }
}
