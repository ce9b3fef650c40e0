//! Blocks of 4×4 and 2×2 samples: the means of 2×2 or 4×4 samples of the full block, but for rounding and for values beyond
//! 0–255.
//!
//! A mean is a weighted sum of the block's coefficients, so each coefficient adds its share as soon as it is read, and there
//! is no block to fill, to transform and to clear. Photos have few coefficients a block.
//!
//! Waves are even or odd, so the means in a quarter of the block are enough: in the other quarters, the shares of odd waves
//! change their sign. Four sums are kept apart for that.
//!
//! Sums have room for sixteen times the range of samples. Beyond that, which no encoder comes near, they wrap.

use super::frame::ZIGZAG;
use super::idct::flat;
use super::scale::{Sink, Source};
use crate::{DecodeError, sample::Sample};

/// Bits after the point of a sum, beyond those of a sample.
const FRACTION: u32 = 15;

/// A number for each mean in a quarter of a block.
type Quarter<const HALF: usize> = [[i32; HALF]; HALF];

/// What a coefficient adds to the means.
#[derive(Clone, Copy)]
struct Share<const HALF: usize> {
    /// If it is one: the quantisation step counts already.
    of_one: Quarter<HALF>,
    /// The sum it goes to: 1 for waves that are odd across, 2 down, 3 both, 0 neither; [`NONE`] for what has no share.
    parity: u32,
}

/// A sum that is not used.
const NONE: u32 = 4;

/// The way to blocks of twice `HALF` means a side.
pub(super) struct Means<const HALF: usize> {
    /// For each coefficient in zigzag order, and for what lies after the block.
    shares: Box<[Share<HALF>; 256]>,
    /// Quantisation step of the first coefficient.
    step: i32,
}

impl<const HALF: usize> Means<HALF> {
    /// For samples of type `S` and a quantisation table in zigzag order.
    pub fn new<S: Sample>(quantisation: &[u16; 64]) -> Self {
        let along = std::array::from_fn::<[f64; HALF], 8, _>(|wave| std::array::from_fn(|at| mean(wave, at, 2 * HALF)));
        let mut shares = Box::new([Share { of_one: [[0; HALF]; HALF], parity: NONE }; 256]);
        for ((share, &step), place) in shares.iter_mut().zip(quantisation).zip(ZIGZAG.map(usize::from)) {
            let (down, across) = (place / 8, place % 8);
            let unit = f64::from(step) * f64::from(1 << (FRACTION + S::FRACTION));
            share.of_one = along[down].map(|down| along[across].map(|across| (down * across * unit).round() as i32));
            if share.of_one != [[0; HALF]; HALF] {
                share.parity = (across % 2 + down % 2 * 2) as u32;
            }
        }
        Self { shares, step: quantisation[0].into() }
    }

    /// Writes the means of a block to `out`, whose rows are `stride` apart.
    #[inline(always)]
    pub fn write<S: Sample>(&self, source: impl Source, out: &mut [S], stride: usize) -> Result<(), DecodeError> {
        let mut sums = Sums { sums: [[[0; HALF]; HALF]; 8], first: 0, shares: &self.shares };
        let last = source.all(&mut sums)?;
        if last == 0 {
            // A block of one value is rounded as in a full decode: there, all of its samples are.
            let sample = flat(sums.first.wrapping_mul(self.step));
            out.chunks_mut(stride).take(2 * HALF).for_each(|row| row[..2 * HALF].fill(sample));
        } else {
            sums.write(out, stride);
        }
        Ok(())
    }
}

/// The mean of a wave of the cosine transform over part `at` of `parts` of a block's side.
fn mean(wave: usize, at: usize, parts: usize) -> f64 {
    let length = 8 / parts;
    let scale = if wave == 0 { 0.125f64.sqrt() } else { 0.5 };
    let cosines = (at * length..(at + 1) * length).map(|x| cosine((2 * x + 1) * wave));
    scale * cosines.sum::<f64>() / length as f64
}

/// Of so many sixteenths of half a turn. As constants, because not every machine computes cosines to the same last bit.
fn cosine(sixteenths: usize) -> f64 {
    const QUARTER: [f64; 9] = [
        1.0,
        0.980_785_280_403_230_4,
        0.923_879_532_511_286_7,
        0.831_469_612_302_545_2,
        std::f64::consts::FRAC_1_SQRT_2,
        0.555_570_233_019_602_2,
        0.382_683_432_365_089_8,
        0.195_090_322_016_128_27,
        0.0,
    ];
    match sixteenths % 32 {
        angle @ 0..=8 => QUARTER[angle],
        angle @ 9..=16 => -QUARTER[16 - angle],
        angle @ 17..=24 => -QUARTER[angle - 16],
        angle => QUARTER[32 - angle],
    }
}

/// A block's sums while its coefficients are read.
struct Sums<'a, const HALF: usize> {
    /// By parity. The last three are never used: three bits are an index without a question.
    sums: [Quarter<HALF>; 8],
    /// The first coefficient.
    first: i32,
    shares: &'a [Share<HALF>; 256],
}

impl<const HALF: usize> Sink for Sums<'_, HALF> {
    #[inline(always)]
    fn put_first(&mut self, value: i32) {
        self.first = value;
        self.put(0, value);
    }

    #[inline(always)]
    fn put(&mut self, at: usize, value: i32) {
        // The masks change nothing but for wrong codes, see `Sink`.
        let share = &self.shares[at & 0xff];
        let sums = self.sums[share.parity as usize & 7].as_flattened_mut();
        for (sum, of_one) in sums.iter_mut().zip(share.of_one.as_flattened()) {
            *sum = sum.wrapping_add(value.wrapping_mul(*of_one));
        }
    }
}

impl<const HALF: usize> Sums<'_, HALF> {
    /// Writes the samples.
    #[inline(always)]
    fn write<S: Sample>(&self, out: &mut [S], stride: usize) {
        let [even, across, down, both, ..] = &self.sums;
        for row in 0..HALF {
            let (top, bottom) = (row * stride, (2 * HALF - 1 - row) * stride);
            for left in 0..HALF {
                let right = 2 * HALF - 1 - left;
                let [even, across, down, both] = [even, across, down, both].map(|sums| sums[row][left]);
                let (upper, upper_odd) = (even.wrapping_add(down), across.wrapping_add(both));
                let (lower, lower_odd) = (even.wrapping_sub(down), across.wrapping_sub(both));
                out[top + left] = sample(upper.wrapping_add(upper_odd));
                out[top + right] = sample(upper.wrapping_sub(upper_odd));
                out[bottom + left] = sample(lower.wrapping_add(lower_odd));
                out[bottom + right] = sample(lower.wrapping_sub(lower_odd));
            }
        }
    }
}

/// A sample from the sum that is its distance to the middle of the range.
#[inline(always)]
fn sample<S: Sample>(sum: i32) -> S {
    S::clamped((sum.saturating_add(1 << (FRACTION - 1)) >> FRACTION) + (128 << S::FRACTION))
}
