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
use super::lanes::Lanes;
use super::looks::PLACE;
use super::scale::{Inverse, Summed};
use crate::sample::Sample;

/// Bits after the point of a sum, beyond those of a sample.
pub(super) const FRACTION: u32 = 15;

/// What a coefficient adds to eight sums, if it is one. Aligned, so that rows of a table are [`PLACE`] bytes apart.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Shares([i32; 8]);

const _: () = assert!(size_of::<Shares>() == PLACE);

/// The way to blocks of `SIDE` means a side. The sums are eight in each of so many `VECTORS`: one of every mean, and after them that of
/// the first coefficients.
pub(super) struct Means<const SIDE: usize, const VECTORS: usize> {
    /// What each coefficient adds to the sums: the quantisation step counts already. By the place after it in zigzag order. The first
    /// one adds to its own sum only, and what lies after the block adds nothing.
    shares: Box<[[Shares; 128]; VECTORS]>,
    /// What the first coefficient adds to all means, if it is one.
    share_of_first: i32,
    /// Its quantisation step.
    step: i32,
    /// Bits after the point of a sample.
    fraction: u32,
}

impl<const SIDE: usize, const VECTORS: usize> Means<SIDE, VECTORS> {
    /// Means of a block.
    const COUNT: usize = SIDE * SIDE;

    /// For samples of type `S` and a quantisation table in zigzag order.
    pub fn new<S: Sample>(quantisation: &[u16; 64]) -> Self {
        let along: [[f64; SIDE]; 8] = std::array::from_fn(|wave| std::array::from_fn(|at| mean(wave, at, SIDE)));
        let unit = f64::from(1 << (FRACTION + S::FRACTION));
        let share = |at: usize, mean: usize| {
            let position = usize::from(ZIGZAG[at]);
            let of_one = along[position / 8][mean / SIDE] * along[position % 8][mean % SIDE];
            (of_one * f64::from(quantisation[at]) * unit).round() as i32
        };
        let mut shares = Box::new([[Shares::default(); 128]; VECTORS]);
        for (at, mean) in (1..64).flat_map(|at| (0..Self::COUNT).map(move |mean| (at, mean))) {
            shares[mean / 8][at + 1].0[mean % 8] = share(at, mean);
        }
        shares[Self::COUNT / 8][1].0[Self::COUNT % 8] = 1;
        Self { shares, share_of_first: share(0, 0), step: quantisation[0].into(), fraction: S::FRACTION }
    }
}

impl<const SIDE: usize, const VECTORS: usize> Sums for Means<SIDE, VECTORS>
where
    [[i32; 8]; VECTORS]: Default,
{
    type Sum = [[i32; 8]; VECTORS];

    #[inline(always)]
    fn add<L: Lanes>(&mut self, _: usize, sum: &mut Self::Sum, [first, second]: [usize; 2], coefficients: u32) {
        for (sum, shares) in sum.iter_mut().zip(&*self.shares) {
            // The compiler does not know that places are less than 128.
            let (first, second) = (shares[first / PLACE % 128].0, shares[second / PLACE % 128].0);
            let products = L::of(first).times((coefficients as i16).into());
            let others = L::of(second).times(((coefficients >> 16) as i16).into());
            *sum = L::of(*sum).plus(products).plus(others).values();
        }
    }
}

impl<const SIDE: usize, const VECTORS: usize> Inverse for Means<SIDE, VECTORS>
where
    [[i32; 8]; VECTORS]: Default,
{
    #[inline(always)]
    fn finish<L: Lanes>(&mut self, read: Summed<'_, Self::Sum>, first: &mut i32, out: &mut [i32], stride: usize) {
        let (mut means, before) = (*read.sum, read.before);
        let of_firsts = |sum: &Self::Sum| sum[Self::COUNT / 8][Self::COUNT % 8];
        *first = first.wrapping_add(of_firsts(read.sum).wrapping_sub(of_firsts(before)));
        // A block of one value is rounded as in a full decode: there, all of its samples are.
        let (value, middle) = (flat(first.wrapping_mul(self.step)).clamp(-255, 255), 128 << self.fraction);
        let rounded = ((value << self.fraction) + middle) << FRACTION;
        let half = 1 << (FRACTION - 1);
        let of_first = first.wrapping_mul(self.share_of_first).wrapping_add((middle << FRACTION) + half);
        let all = select_unpredictable(read.is_flat, rounded, of_first);
        // First all, then the rows: this way, the sums are vectors.
        for (means, before) in means.iter_mut().zip(before) {
            for (mean, before) in means.iter_mut().zip(before) {
                *mean = mean.wrapping_sub(*before).wrapping_add(all);
            }
        }
        let out = &mut out[..(SIDE - 1) * stride + SIDE];
        for (row, means) in means.as_flattened()[..Self::COUNT].chunks_exact(SIDE).enumerate() {
            out[row * stride..row * stride + SIDE].copy_from_slice(means);
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
