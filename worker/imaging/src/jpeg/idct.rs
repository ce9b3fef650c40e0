//! The inverse cosine transform to blocks of 8×8 samples.
//!
//! The arithmetic is that of libjpeg's accurate integer transform (Loeffler, Ligtenberg and Moschytz, "Practical fast
//! 1-D DCT algorithms with 11 multiplications", 1989), so the samples are those that most software sees.

use super::coding::{Nothing, Sums};
use super::frame::ZIGZAG;
use super::lanes::Lanes;
use super::looks::PLACE;
use super::scale::{Inverse, MOST_BLOCKS, Summed};
use crate::sample::Sample;

/// Dequantised coefficients of a block, row by row. Entry 64 does not count: what lies after a block ends up there. The others
/// are never used: seven bits are an index without a question.
///
/// Aligned, because clearing takes wide vectors: those that lie across two pages cost more than all else that is done to a
/// block.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Coefficients([i32; 128]);

/// What becomes of a coefficient.
#[derive(Clone, Copy)]
struct Step {
    /// Its quantisation step; zero where there is no coefficient.
    size: i32,
    /// Where it goes, row by row: to entry 64 where there is none.
    position: u32,
}

/// Blocks that are filled with coefficients, and then transformed.
pub(super) struct Transform {
    blocks: [Coefficients; MOST_BLOCKS],
    /// What becomes of each coefficient, by the places after it in zigzag order. The first one is left as it was coded: it is a difference.
    steps: [Step; 128],
    /// Its quantisation step.
    step: i32,
    /// Bits after the point of a sample.
    fraction: u32,
}

impl Transform {
    /// For a quantisation table in zigzag order.
    pub fn new<S: Sample>(quantisation: &[u16; 64]) -> Self {
        let mut steps = [Step { size: 0, position: 64 }; 128];
        for ((step, &size), position) in steps[1..].iter_mut().zip(quantisation).zip(ZIGZAG) {
            *step = Step { size: i32::from(size), position: u32::from(position) };
        }
        steps[1].size = 1;
        let step = quantisation[0].into();
        Self { blocks: [Coefficients([0; 128]); MOST_BLOCKS], steps, step, fraction: S::FRACTION }
    }
}

impl Sums for Transform {
    type Sum = ();

    #[inline(always)]
    fn add<L: Lanes>(&mut self, block: usize, (): &mut (), places: [usize; 2], coefficients: u32) {
        let block = &mut self.blocks[block].0;
        for (place, value) in places.into_iter().zip([coefficients as i16, (coefficients >> 16) as i16]) {
            // The compiler does not know that places and positions are less than 128.
            let Step { size, position } = self.steps[place / PLACE % 128];
            let coefficient = &mut block[position as usize % 128];
            *coefficient = coefficient.wrapping_add(i32::from(value).wrapping_mul(size));
        }
    }
}

impl Inverse for Transform {
    #[inline(always)]
    fn finish<L: Lanes>(&mut self, read: Summed<'_, ()>, first: &mut i32, out: &mut [i32], stride: usize) {
        let Coefficients(block) = &mut self.blocks[read.number];
        *first = first.wrapping_add(block[0]);
        let (first, middle) = (first.wrapping_mul(self.step), 128 << self.fraction);
        if read.is_flat {
            let sample = (flat(first) << self.fraction).saturating_add(middle);
            out.chunks_mut(stride).take(8).for_each(|row| row[..8].fill(sample));
        } else {
            block[0] = first;
            let rows = std::array::from_fn(|row| std::array::from_fn(|column| block[row * 8 + column]));
            // A transform of eight by eight makes its input eight times as large.
            let rows = both_passes::<L>(rows, FRACTION + BETWEEN + 3 - self.fraction);
            for (out, row) in out.chunks_mut(stride).zip(rows) {
                out[..8].copy_from_slice(&row.map(|sample| sample.saturating_add(middle)));
            }
        }
        block[..64].fill(0);
    }
}

/// Blocks of one sample, their mean, which only the first coefficient has a share of.
pub(super) struct Mean {
    /// Its quantisation step.
    pub step: i32,
    /// Bits after the point of a sample.
    pub fraction: u32,
}

impl Sums for Mean {
    type Sum = i32;

    #[inline(always)]
    fn add<L: Lanes>(&mut self, block: usize, sum: &mut i32, places: [usize; 2], coefficients: u32) {
        Nothing.add::<L>(block, sum, places, coefficients);
    }
}

impl Inverse for Mean {
    #[inline(always)]
    fn finish<L: Lanes>(&mut self, read: Summed<'_, i32>, first: &mut i32, out: &mut [i32], _: usize) {
        *first = first.wrapping_add(read.sum.wrapping_sub(*read.before));
        out[0] = descale(first.wrapping_mul(self.step) << self.fraction, 3).saturating_add(128 << self.fraction);
    }
}

/// The distance to the middle of the range of all samples of a block that has only this coefficient: a full decode rounds it.
#[inline(always)]
pub(super) fn flat(first: i32) -> i32 {
    descale(first, 3)
}

/// Fraction bits of the constants.
const FRACTION: u32 = 13;
/// Fraction bits between the two passes.
const BETWEEN: u32 = 2;

/// A constant with `FRACTION` fraction bits.
const fn fix(value: f64) -> i32 {
    (value * (1 << FRACTION) as f64 + if value < 0.0 { -0.5 } else { 0.5 }) as i32
}

#[inline(always)]
fn descale(value: i32, bits: u32) -> i32 {
    value.wrapping_add(1 << (bits - 1)) >> bits
}

/// Rows of samples, as distances to the middle of the range, from rows of coefficients: over all columns at once, and then over all
/// rows. `bits` after the point of the last sums are rounded away.
//
// Here and in what it calls, nothing is handed to functions of the standard library, such as `map`: these are not compiled for
// AVX2, and every operation in them would be a call.
#[inline(always)]
fn both_passes<L: Lanes>(rows: [[i32; 8]; 8], bits: u32) -> [[i32; 8]; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    let rows = [L::of(a), L::of(b), L::of(c), L::of(d), L::of(e), L::of(f), L::of(g), L::of(h)];
    let columns = pass(rows, FRACTION - BETWEEN);
    let [a, b, c, d, e, f, g, h] = L::transposed(pass(L::transposed(columns), bits));
    [a.values(), b.values(), c.values(), d.values(), e.values(), f.values(), g.values(), h.values()]
}

#[inline(always)]
fn mul<L: Lanes>(lanes: L, by: f64) -> L {
    lanes.times(fix(by))
}

/// One pass over eight lanes at once.
#[inline(always)]
fn pass<L: Lanes>([x0, x1, x2, x3, x4, x5, x6, x7]: [L; 8], bits: u32) -> [L; 8] {
    // Even part.
    let turned = mul(x2.plus(x6), 0.541196100);
    let even2 = turned.plus(mul(x6, -1.847759065));
    let even3 = turned.plus(mul(x2, 0.765366865));
    let even0 = x0.plus(x4).shifted_left(FRACTION);
    let even1 = x0.minus(x4).shifted_left(FRACTION);
    let (s0, s1, s2, s3) = (even0.plus(even3), even1.plus(even2), even1.minus(even2), even0.minus(even3));
    // Odd part.
    let (z1, z2) = (x7.plus(x1), x5.plus(x3));
    let (z3, z4) = (x7.plus(x3), x5.plus(x1));
    let z5 = mul(z3.plus(z4), 1.175875602);
    let (z1, z2) = (mul(z1, -0.899976223), mul(z2, -2.562915447));
    let z3 = mul(z3, -1.961570560).plus(z5);
    let z4 = mul(z4, -0.390180644).plus(z5);
    let d0 = mul(x1, 1.501321110).plus(z1).plus(z4);
    let d1 = mul(x3, 3.072711026).plus(z2).plus(z3);
    let d2 = mul(x5, 2.053119869).plus(z2).plus(z4);
    let d3 = mul(x7, 0.298631336).plus(z1).plus(z3);

    let half = L::of([1 << (bits - 1); 8]);
    let (s0, s1, s2, s3) = (s0.plus(half), s1.plus(half), s2.plus(half), s3.plus(half));
    [
        s0.plus(d0).shifted_right(bits),
        s1.plus(d1).shifted_right(bits),
        s2.plus(d2).shifted_right(bits),
        s3.plus(d3).shifted_right(bits),
        s3.minus(d3).shifted_right(bits),
        s2.minus(d2).shifted_right(bits),
        s1.minus(d1).shifted_right(bits),
        s0.minus(d0).shifted_right(bits),
    ]
}
