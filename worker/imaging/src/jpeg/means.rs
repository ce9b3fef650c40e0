//! Blocks of 4×4 and 2×2 samples: the means of 2×2 or 4×4 samples of the full block, but for rounding and for values beyond
//! 0–255.
//!
//! A mean is a weighted sum of the block's coefficients, so each coefficient adds its share to all of them as soon as it is read,
//! and there is no block to fill, to transform and to clear. Photos have few coefficients a block.
//!
//! Sums have room for sixteen times the range of samples. Beyond that, which no encoder comes near, they wrap.

use std::hint::select_unpredictable;

use super::coding::Sums;
use super::frame::ZIGZAG;
use super::idct::flat;
use super::looks::{END, PLACE};
use super::scale::{Inverse, Known};
use crate::sample::Sample;

/// Bits after the point of a sum, beyond those of a sample.
pub(super) const FRACTION: u32 = 15;

/// The way to blocks of `COUNT` means, 4 or 16.
pub(super) struct Means<const COUNT: usize> {
    /// What each coefficient adds to the means, row by row, if it is one: the quantisation step counts already. By the place after
    /// it in zigzag order. The first coefficient is added at the end, and what lies after the block never.
    shares: Box<[[i32; COUNT]; 128]>,
    /// What the first coefficient adds to all means, if it is one.
    share_of_first: i32,
    /// Its quantisation step.
    step: i32,
    /// Bits after the point of a sample.
    fraction: u32,
    /// What is left of a sum within a block, and at its end: all bits, and none. (They are read, because a compiler that knew them
    /// would ask where the end is.)
    kept: [[i32; COUNT]; 2],
}

impl<const COUNT: usize> Means<COUNT> {
    /// Means of a block's side.
    const SIDE: usize = COUNT.isqrt();

    /// For samples of type `S` and a quantisation table in zigzag order.
    pub fn new<S: Sample>(quantisation: &[u16; 64]) -> Self {
        let along = |wave: usize, at: usize| mean(wave, at, Self::SIDE);
        let share = |position: usize, step: u16| {
            let unit = f64::from(step) * f64::from(1 << (FRACTION + S::FRACTION));
            let of_mean = |at: usize| along(position / 8, at / Self::SIDE) * along(position % 8, at % Self::SIDE);
            std::array::from_fn(|at| (of_mean(at) * unit).round() as i32)
        };
        let mut shares = Box::new([[0; COUNT]; 128]);
        for ((shares, &step), position) in shares[1..].iter_mut().zip(quantisation).zip(ZIGZAG).skip(1) {
            *shares = share(position.into(), step);
        }
        Self {
            shares,
            share_of_first: share(0, quantisation[0])[0],
            step: quantisation[0].into(),
            fraction: S::FRACTION,
            kept: [[-1; COUNT], [0; COUNT]],
        }
    }
}

impl<const COUNT: usize> Sums for Means<COUNT>
where
    [i32; COUNT]: Default,
{
    type Sum = [i32; COUNT];

    #[inline(always)]
    fn clear(&self, sum: &mut [i32; COUNT], end: usize) {
        for (sum, kept) in sum.iter_mut().zip(&self.kept[end / END % 2]) {
            *sum &= kept;
        }
    }

    #[inline(always)]
    fn add(&mut self, _: usize, sum: &mut [i32; COUNT], place: usize, value: i32) {
        // The compiler does not know that places are less than 128.
        for (sum, share) in sum.iter_mut().zip(&self.shares[place / PLACE % 128]) {
            *sum = sum.wrapping_add(value.wrapping_mul(*share));
        }
    }
}

impl<const COUNT: usize> Inverse for Means<COUNT>
where
    [i32; COUNT]: Default,
{
    #[inline(always)]
    fn finish(&mut self, _: usize, sum: &[i32; COUNT], known: Known, out: &mut [i32], stride: usize) {
        let middle = 128 << self.fraction;
        // A block of one value is rounded as in a full decode: there, all of its samples are.
        let value = flat(known.first.wrapping_mul(self.step)).clamp(-255, 255);
        let rounded = ((value << self.fraction) + middle) << FRACTION;
        let half = 1 << (FRACTION - 1);
        let of_first = known.first.wrapping_mul(self.share_of_first).wrapping_add((middle << FRACTION) + half);
        let all = select_unpredictable(known.is_flat, rounded, of_first);
        // First all, then the rows: this way, the sums are vectors.
        let mut means = *sum;
        for mean in &mut means {
            *mean = mean.wrapping_add(all);
        }
        let out = &mut out[..(Self::SIDE - 1) * stride + Self::SIDE];
        for (row, means) in means.chunks_exact(Self::SIDE).enumerate() {
            out[row * stride..row * stride + Self::SIDE].copy_from_slice(means);
        }
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
