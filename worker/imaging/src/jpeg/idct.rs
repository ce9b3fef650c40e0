//! Inverse cosine transforms to blocks of 8×8, 4×4, 2×2 and 1×1 samples.
//!
//! The arithmetic is that of libjpeg's accurate integer transform (Loeffler, Ligtenberg and Moschytz, "Practical fast
//! 1-D DCT algorithms with 11 multiplications", 1989) and of its reduced forms, so the samples are those that most
//! software sees. A reduced block holds the means of 2×2, 4×4 or 8×8 samples of the full one, but for rounding and
//! for values beyond 0–255.

use std::ops::{Deref, DerefMut};

use crate::sample::Sample;

/// The side of a block of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    One,
    Two,
    Four,
    Eight,
}

impl Size {
    /// Of 1, 2, 4 or 8 (anything else is 8).
    pub fn of(side: usize) -> Self {
        match side {
            1 => Self::One,
            2 => Self::Two,
            4 => Self::Four,
            _ => Self::Eight,
        }
    }

    /// Samples a side.
    pub fn side(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

impl Size {
    /// Whether the transform reads the coefficient at this position, row by row.
    pub fn reads(self, position: usize) -> bool {
        let counts = |index: usize| match self {
            Self::One => index == 0,
            Self::Two => index == 0 || index % 2 == 1,
            Self::Four => index != 4,
            Self::Eight => true,
        };
        counts(position / 8) && counts(position % 8)
    }
}

/// Dequantised coefficients of a block, row by row. Entry 64 is never read: what lies after a block ends up there. The others
/// are never used: seven bits are an index without a question.
///
/// Aligned, because clearing takes wide vectors: those that lie across two pages cost more than all else that is done to a
/// block.
#[derive(Clone)]
#[repr(align(64))]
pub(super) struct Coefficients([i32; 128]);

impl Coefficients {
    /// A block of zeros.
    pub const ZERO: Self = Self([0; 128]);

    /// Sets all to zero again.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.0[..65].fill(0);
    }
}

impl Deref for Coefficients {
    type Target = [i32; 128];

    #[inline(always)]
    fn deref(&self) -> &[i32; 128] {
        &self.0
    }
}

impl DerefMut for Coefficients {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [i32; 128] {
        &mut self.0
    }
}

/// Fraction bits of the constants.
const FRACTION: u32 = 13;
/// Fraction bits between the two passes.
const BETWEEN: u32 = 2;

/// Bits after the point of what the second pass adds up, beyond those of a sample. A transform of eight by eight makes
/// its input eight times as large.
const fn bits_after<S: Sample>() -> u32 {
    FRACTION + BETWEEN + 3 - S::FRACTION
}

/// A constant with `FRACTION` fraction bits.
const fn fix(value: f64) -> i32 {
    (value * (1 << FRACTION) as f64 + if value < 0.0 { -0.5 } else { 0.5 }) as i32
}

/// Up to here, in zigzag order, only coefficients of the lower half of rows and columns are set.
const LOWER_HALF: usize = 9;

/// Writes the samples of a block into `out`, whose rows are `stride` apart. No coefficient after the one at position
/// `last`, in zigzag order, is set.
#[inline(always)]
pub(super) fn transform<S: Sample>(size: Size, block: &Coefficients, last: usize, out: &mut [S], stride: usize) {
    match size {
        Size::One => out[0] = sample(descale(block[0] << S::FRACTION, 3)),
        _ if last == 0 => one(size.side(), block, out, stride),
        Size::Two if last <= LOWER_HALF => two::<S, true>(block, out, stride),
        Size::Two => two::<S, false>(block, out, stride),
        Size::Four if last <= LOWER_HALF => four::<S, true>(block, out, stride),
        Size::Four => four::<S, false>(block, out, stride),
        Size::Eight => eight(block, out, stride),
    }
}

/// A block of one value, which is rounded as in a full decode: there, all of its samples are.
#[inline(always)]
fn one<S: Sample>(side: usize, block: &Coefficients, out: &mut [S], stride: usize) {
    let sample = sample(descale(block[0], 3) << S::FRACTION);
    for row in out.chunks_mut(stride).take(side) {
        row[..side].fill(sample);
    }
}

/// A sample from its distance to the middle of the range, in steps.
#[inline(always)]
fn sample<S: Sample>(steps: i32) -> S {
    S::clamped(steps.saturating_add(128 << S::FRACTION))
}

#[inline(always)]
fn descale(value: i32, bits: u32) -> i32 {
    value.wrapping_add(1 << (bits - 1)) >> bits
}

/// Eight values of eight lanes each.
type Lanes = [[i32; 8]; 8];

/// One pass over eight lanes at once.
#[inline(always)]
fn pass(x: &Lanes, bits: u32) -> Lanes {
    let mut out = [[0; 8]; 8];
    for lane in 0..8 {
        let at = |row: usize| x[row][lane];
        let mul = |value: i32, by: f64| value.wrapping_mul(fix(by));
        // Even part.
        let turned = mul(at(2).wrapping_add(at(6)), 0.541196100);
        let even2 = turned.wrapping_add(mul(at(6), -1.847759065));
        let even3 = turned.wrapping_add(mul(at(2), 0.765366865));
        let even0 = at(0).wrapping_add(at(4)) << FRACTION;
        let even1 = at(0).wrapping_sub(at(4)) << FRACTION;
        let sums = [
            even0.wrapping_add(even3),
            even1.wrapping_add(even2),
            even1.wrapping_sub(even2),
            even0.wrapping_sub(even3),
        ];
        // Odd part.
        let (o7, o5, o3, o1) = (at(7), at(5), at(3), at(1));
        let (z1, z2) = (o7.wrapping_add(o1), o5.wrapping_add(o3));
        let (z3, z4) = (o7.wrapping_add(o3), o5.wrapping_add(o1));
        let z5 = mul(z3.wrapping_add(z4), 1.175875602);
        let (z1, z2) = (mul(z1, -0.899976223), mul(z2, -2.562915447));
        let z3 = mul(z3, -1.961570560).wrapping_add(z5);
        let z4 = mul(z4, -0.390180644).wrapping_add(z5);
        let odds = [
            mul(o1, 1.501321110).wrapping_add(z1).wrapping_add(z4),
            mul(o3, 3.072711026).wrapping_add(z2).wrapping_add(z3),
            mul(o5, 2.053119869).wrapping_add(z2).wrapping_add(z4),
            mul(o7, 0.298631336).wrapping_add(z1).wrapping_add(z3),
        ];
        for i in 0..4 {
            out[i][lane] = descale(sums[i].wrapping_add(odds[i]), bits);
            out[7 - i][lane] = descale(sums[i].wrapping_sub(odds[i]), bits);
        }
    }
    out
}

#[inline(always)]
fn transposed(x: &Lanes) -> Lanes {
    std::array::from_fn(|row| std::array::from_fn(|column| x[column][row]))
}

#[inline(always)]
fn eight<S: Sample>(block: &Coefficients, out: &mut [S], stride: usize) {
    let rows: Lanes = std::array::from_fn(|row| std::array::from_fn(|column| block[row * 8 + column]));
    let columns = pass(&rows, FRACTION - BETWEEN);
    let done = transposed(&pass(&transposed(&columns), bits_after::<S>()));
    for (out, row) in out.chunks_mut(stride).zip(done) {
        out[..8].copy_from_slice(&row.map(sample));
    }
}

/// The means of two neighbours of an eight-point transform, from its coefficients but for number 4, which does not
/// count.
#[inline(always)]
fn four_means([c0, c1, c2, c3, c5, c6, c7]: [i32; 7], bits: u32) -> [i32; 4] {
    let mul = |value: i32, by: f64| value.wrapping_mul(fix(by));
    let c0 = c0 << (FRACTION + 1);
    let even = mul(c2, 1.847759065).wrapping_add(mul(c6, -0.765366865));
    let (even0, even1) = (c0.wrapping_add(even), c0.wrapping_sub(even));
    let inner = mul(c7, -0.211164243)
        .wrapping_add(mul(c5, 1.451774981))
        .wrapping_add(mul(c3, -2.172734803))
        .wrapping_add(mul(c1, 1.061594337));
    let outer = mul(c7, -0.509795579)
        .wrapping_add(mul(c5, -0.601344887))
        .wrapping_add(mul(c3, 0.899976223))
        .wrapping_add(mul(c1, 2.562915447));
    [even0.wrapping_add(outer), even1.wrapping_add(inner), even1.wrapping_sub(inner), even0.wrapping_sub(outer)]
        .map(|value| descale(value, bits + 1))
}

#[inline(always)]
fn four<S: Sample, const LOWER: bool>(block: &Coefficients, out: &mut [S], stride: usize) {
    let mut columns = [[0; 8]; 4];
    for column in [0, 1, 2, 3, 5, 6, 7] {
        if LOWER && column > 3 {
            break;
        }
        let at = |row: usize| if LOWER && row > 3 { 0 } else { block[row * 8 + column] };
        let means = four_means([at(0), at(1), at(2), at(3), at(5), at(6), at(7)], FRACTION - BETWEEN);
        for (row, mean) in columns.iter_mut().zip(means) {
            row[column] = mean;
        }
    }
    for (out, [c0, c1, c2, c3, _, c5, c6, c7]) in out.chunks_mut(stride).zip(columns) {
        let row = four_means([c0, c1, c2, c3, c5, c6, c7], bits_after::<S>());
        out[..4].copy_from_slice(&row.map(sample));
    }
}

/// The means of four neighbours of an eight-point transform, from its coefficients that count.
#[inline(always)]
fn two_means([c0, c1, c3, c5, c7]: [i32; 5], bits: u32) -> [i32; 2] {
    let mul = |value: i32, by: f64| value.wrapping_mul(fix(by));
    let c0 = c0 << (FRACTION + 2);
    let odd = mul(c7, -0.720959822)
        .wrapping_add(mul(c5, 0.850430095))
        .wrapping_add(mul(c3, -1.272758580))
        .wrapping_add(mul(c1, 3.624509785));
    [c0.wrapping_add(odd), c0.wrapping_sub(odd)].map(|value| descale(value, bits + 2))
}

#[inline(always)]
fn two<S: Sample, const LOWER: bool>(block: &Coefficients, out: &mut [S], stride: usize) {
    let mut columns = [[0; 5]; 2];
    for (number, column) in [0, 1, 3, 5, 7].into_iter().enumerate() {
        if LOWER && column > 3 {
            break;
        }
        let at = |row: usize| if LOWER && row > 3 { 0 } else { block[row * 8 + column] };
        let means = two_means([at(0), at(1), at(3), at(5), at(7)], FRACTION - BETWEEN);
        (columns[0][number], columns[1][number]) = (means[0], means[1]);
    }
    for (out, row) in out.chunks_mut(stride).zip(columns) {
        let samples = two_means(row, bits_after::<S>());
        (out[0], out[1]) = (sample(samples[0]), sample(samples[1]));
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::ZIGZAG;
    use super::*;
    use crate::sample::Fine;

    /// The transform by its definition, clamped like samples.
    fn exact(block: &Coefficients) -> [[f64; 8]; 8] {
        let basis = |x: usize, k: usize| {
            let scale = if k == 0 { 0.5f64.sqrt() } else { 1.0 };
            scale / 2.0 * ((2 * x + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()
        };
        std::array::from_fn(|y| {
            std::array::from_fn(|x| {
                let term = |i: usize| f64::from(block[i]) * basis(y, i / 8) * basis(x, i % 8);
                128.0 + (0..64).map(term).sum::<f64>()
            })
        })
    }

    /// Blocks with a few coefficients that stay within the range of samples.
    fn blocks() -> impl Iterator<Item = Coefficients> {
        let mut state = 1u32;
        (0..300).map(move |round| {
            let mut next = |below: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) % below
            };
            let mut block = Coefficients::ZERO;
            block[0] = next(800) as i32 - 400;
            let below = if round % 2 == 0 { 64 } else { 10 };
            for _ in 0..round % 12 {
                block[usize::from(ZIGZAG[next(below) as usize])] = next(120) as i32 - 60;
            }
            block
        })
    }

    /// Position of the last coefficient in zigzag order.
    fn last(block: &Coefficients) -> usize {
        (0..64).rev().find(|&i| block[usize::from(ZIGZAG[i])] != 0).unwrap_or(0)
    }

    fn blocks_hold_means<S: Sample>(most_wrong: f64) {
        for block in blocks() {
            let exact = exact(&block);
            for side in [1, 2, 4, 8] {
                let mut out = [S::default(); 8 * (8 + 3)];
                let most_wrong = if last(&block) == 0 { most_wrong.max(0.51) } else { most_wrong };
                transform(Size::of(side), &block, last(&block), &mut out, side + 3);
                let cell = 8 / side;
                for (y, row) in out.chunks(side + 3).take(side).enumerate() {
                    for (x, &sample) in row[..side].iter().enumerate() {
                        let samples = (0..cell * cell).map(|i| exact[y * cell + i / cell][x * cell + i % cell]);
                        let mean = samples.sum::<f64>() / (cell * cell) as f64;
                        let value = f64::from(sample.steps()) / f64::from(1 << S::FRACTION);
                        let wrong = (value - mean.clamp(0.0, 255.0)).abs();
                        assert!(wrong < most_wrong, "{side}: {value} instead of {mean}");
                    }
                }
            }
        }
    }

    #[test]
    fn blocks_of_every_size_hold_means_of_the_exact_transform() {
        blocks_hold_means::<u8>(1.0);
        blocks_hold_means::<Fine>(0.3);
    }

    #[test]
    fn a_block_of_one_value_is_the_same_either_way() {
        for value in [-5000, -1024, -9, -4, 0, 3, 4, 500, 1016, 1020, 16_000] {
            let mut block = Coefficients::ZERO;
            block[0] = value;
            for side in [1, 2, 4, 8] {
                let (mut short, mut long) = ([0u8; 64], [0u8; 64]);
                for last in [LOWER_HALF, 63] {
                    transform(Size::of(side), &block, 0, &mut short, side);
                    transform(Size::of(side), &block, last, &mut long, side);
                    assert_eq!(short, long, "{value} as {side}");
                }
            }
        }
    }
}
