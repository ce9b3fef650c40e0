//! What becomes of the coefficients of a component: blocks of 8×8 samples, or of means of these.

use super::bits::Bits;
use super::coding::{Coded, Coding, Sums};
use super::idct::{Mean, Transform};
use super::lanes::Lanes;
use super::looks::PLACE;
use super::means::{self, Means};
use crate::{DecodeError, sample::Sample};

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

    /// Bits after the point of values that become samples, beyond those of the samples.
    pub fn fraction(self) -> u32 {
        match self {
            Self::One | Self::Eight => 0,
            Self::Two | Self::Four => means::FRACTION,
        }
    }

    /// Whether samples of this size have a share of the coefficient at this position, row by row.
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

/// Most blocks of a group.
pub(super) const MOST_BLOCKS: usize = 10;

/// The way from the coefficients of a group's blocks to their samples.
pub(super) trait Inverse: Sums {
    /// Writes the values of the samples of a block to `out`, whose rows are `stride` apart, and forgets it. Values have as many
    /// bits after the point as [`Size::fraction`] says, and are not yet limited to those that samples can have. `first` is the first
    /// coefficient of the block before, and of this one after it, as it was coded.
    fn finish<L: Lanes>(&mut self, block: Summed<'_, Self::Sum>, first: &mut i32, out: &mut [i32], stride: usize);
}

/// What is known of a block when all of its coefficients were added.
pub(super) struct Summed<'a, T> {
    /// Its number among those that were read together.
    pub number: usize,
    /// The sum after it.
    pub sum: &'a T,
    /// The sum before it.
    pub before: &'a T,
    /// Whether there is no other coefficient than the first.
    pub is_flat: bool,
}

/// The blocks of a group on their way from coefficients to samples.
pub(super) struct Blocks<I: Inverse> {
    inverse: I,
    /// Nothing, and after it the blocks.
    coded: [Coded<I::Sum>; MOST_BLOCKS + 1],
}

impl<I: Inverse> Blocks<I> {
    fn new(inverse: I) -> Box<Self> {
        Box::new(Self { inverse, coded: [Coded::default(); MOST_BLOCKS + 1] })
    }

    /// Reads the next blocks of a scan, at most [`MOST_BLOCKS`].
    #[inline(always)]
    pub fn read<L: Lanes>(
        &mut self,
        count: usize,
        coding: &Coding<'_>,
        bits: &mut Bits<'_>,
    ) -> Result<(), DecodeError> {
        coding.read::<L, _>(bits, &mut self.coded[1..=count], &mut self.inverse)
    }

    /// Writes the values of a block that was read; `first` is the first coefficient of the block before, and of this one after it.
    #[inline(always)]
    pub fn finish<L: Lanes>(&mut self, number: usize, first: &mut i32, out: &mut [i32], stride: usize) {
        let (before, coded) = (&self.coded[number].sum, &self.coded[number + 1]);
        let block = Summed { number, sum: &coded.sum, before, is_flat: coded.is_flat() };
        self.inverse.finish::<L>(block, first, out, stride);
    }

    /// Writes the values of a block of which all is known: `others` are positions in zigzag order and values.
    #[inline(always)]
    fn write<L: Lanes>(
        &mut self,
        known: Known,
        others: impl Iterator<Item = (usize, i32)>,
        out: &mut [i32],
        stride: usize,
    ) {
        let mut sum = I::Sum::default();
        others.for_each(|(at, value)| {
            // As the second one of two, of which the first one is zero.
            self.inverse.add::<L>(0, &mut sum, [0, (at + 1) * PLACE], u32::from(value as u16) << 16);
        });
        let block = Summed { number: 0, sum: &sum, before: &I::Sum::default(), is_flat: known.is_flat };
        self.inverse.finish::<L>(block, &mut { known.first }, out, stride);
    }
}

/// What is known of a block besides its other coefficients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The first coefficient, as it was coded.
    pub first: i32,
    /// Whether there is no other.
    pub is_flat: bool,
}

/// The way from a component's coefficients to its samples.
pub(super) enum Scale {
    One(Box<Blocks<Mean>>),
    Two(Box<Blocks<Means<2, 1>>>),
    Four(Box<Blocks<Means<4, 3>>>),
    Eight(Box<Blocks<Transform>>),
}

impl Scale {
    /// To blocks of this size, from coefficients that were quantised with this table (in zigzag order).
    pub fn new<S: Sample>(size: Size, quantisation: &[u16; 64]) -> Self {
        match size {
            Size::One => Self::One(Blocks::new(Mean { step: quantisation[0].into(), fraction: S::FRACTION })),
            Size::Two => Self::Two(Blocks::new(Means::new::<S>(quantisation))),
            Size::Four => Self::Four(Blocks::new(Means::new::<S>(quantisation))),
            Size::Eight => Self::Eight(Blocks::new(Transform::new::<S>(quantisation))),
        }
    }

    /// Writes the values of a block to `out`, whose rows are `stride` apart: `others` are the other coefficients than the
    /// first, with their positions in zigzag order.
    #[inline(always)]
    pub fn write<L: Lanes>(
        &mut self,
        known: Known,
        others: impl Iterator<Item = (usize, i32)>,
        (out, stride): (&mut [i32], usize),
    ) {
        match self {
            Self::One(blocks) => blocks.write::<L>(known, others, out, stride),
            Self::Two(blocks) => blocks.write::<L>(known, others, out, stride),
            Self::Four(blocks) => blocks.write::<L>(known, others, out, stride),
            Self::Eight(blocks) => blocks.write::<L>(known, others, out, stride),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::ZIGZAG;
    use super::*;
    use crate::sample::Fine;

    const SIZES: [Size; 4] = [Size::One, Size::Two, Size::Four, Size::Eight];
    /// Samples from one row to the next, and samples of a block with them.
    const STRIDE: usize = 11;
    const ROOM: usize = 8 * STRIDE;

    fn steps() -> [u16; 64] {
        std::array::from_fn(|at| 1 + at as u16 / 5)
    }

    fn samples<S: Sample>(size: Size, block: &[i32; 64]) -> [S; ROOM] {
        let mut out = [S::default(); ROOM];
        let mut values = [0; ROOM];
        let mut scale = Scale::new::<S>(size, &steps());
        write(&mut scale, block, &mut values);
        for (out, value) in out.chunks_mut(STRIDE).zip(values.chunks(STRIDE)).take(size.side()) {
            for (out, value) in out[..size.side()].iter_mut().zip(value) {
                *out = S::clamped(value >> size.fraction());
            }
        }
        assert!(values.chunks(STRIDE).all(|row| row[size.side()..].iter().all(|&value| value == 0)));
        out
    }

    fn write(scale: &mut Scale, block: &[i32; 64], out: &mut [i32]) {
        let known = Known { first: block[0], is_flat: is_flat(block) };
        let others = block.iter().copied().enumerate().skip(1).filter(|&(_, value)| value != 0);
        // What a decoder may add besides: zeros, and what lies after the last one.
        let more = [(0, 0), (7, 0), (64, 1), (126, -1)];
        scale.write::<[i32; 8]>(known, others.chain(more), (out, STRIDE));
    }

    fn is_flat(block: &[i32; 64]) -> bool {
        block[1..].iter().all(|&value| value == 0)
    }

    /// The transform by its definition.
    fn exact(block: &[i32; 64]) -> [[f64; 8]; 8] {
        let basis = |x: usize, wave: usize| {
            let scale = if wave == 0 { 0.5f64.sqrt() } else { 1.0 };
            scale / 2.0 * ((2 * x + 1) as f64 * wave as f64 * std::f64::consts::PI / 16.0).cos()
        };
        std::array::from_fn(|y| {
            std::array::from_fn(|x| {
                let term = |at: usize| {
                    let place = usize::from(ZIGZAG[at]);
                    f64::from(block[at] * i32::from(steps()[at])) * basis(y, place / 8) * basis(x, place % 8)
                };
                128.0 + (0..64).map(term).sum::<f64>()
            })
        })
    }

    /// Blocks of no to eleven coefficients besides the first, half of them with low ones only.
    fn blocks() -> impl Iterator<Item = [i32; 64]> {
        let mut state = 1u32;
        (0..300).map(move |round| {
            let mut next = |below: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) % below
            };
            let mut block = [0; 64];
            block[0] = next(800) as i32 - 400;
            let below = if round % 2 == 0 { 64 } else { 10 };
            for _ in 0..round % 12 {
                block[next(below) as usize] = next(20) as i32 - 10;
            }
            block
        })
    }

    fn blocks_hold_means<S: Sample>(most_wrong: impl Fn(Size) -> f64) {
        for block in blocks() {
            let exact = exact(&block);
            for size in SIZES {
                let rounded = if is_flat(&block) { 0.51 } else { 0.0 };
                let (side, out) = (size.side(), samples::<S>(size, &block));
                let cell = 8 / side;
                for (y, row) in out.chunks(STRIDE).take(side).enumerate() {
                    for (x, &sample) in row[..side].iter().enumerate() {
                        let samples = (0..cell * cell).map(|i| exact[y * cell + i / cell][x * cell + i % cell]);
                        let mean = samples.sum::<f64>() / (cell * cell) as f64;
                        let value = f64::from(sample.steps()) / f64::from(1 << S::FRACTION);
                        let wrong = (value - mean.clamp(0.0, 255.0)).abs();
                        assert!(wrong < most_wrong(size).max(rounded), "{side}: {value} instead of {mean}");
                    }
                    assert!(row[side..].iter().all(|&sample| sample == S::default()));
                }
            }
        }
    }

    #[test]
    fn blocks_of_every_size_hold_means_of_the_exact_transform() {
        blocks_hold_means::<u8>(|size| if size == Size::Eight { 1.0 } else { 0.51 });
        blocks_hold_means::<Fine>(|size| if size == Size::Eight { 0.3 } else { 0.04 });
    }

    #[test]
    fn a_block_of_one_value_is_rounded_as_in_a_full_decode() {
        for first in [-5000, -1024, -9, -4, 0, 3, 4, 500, 1016, 1020, 16_000] {
            let mut block = [0; 64];
            block[0] = first;
            let full = samples::<u8>(Size::Eight, &block)[0];
            for size in [Size::Two, Size::Four, Size::Eight] {
                assert_eq!(samples::<u8>(size, &block)[0], full, "{first} as {size:?}");
                assert_eq!(samples::<Fine>(size, &block)[0], u16::from(full) << Fine::FRACTION, "{first} as {size:?}");
            }
        }
    }

    #[test]
    fn nothing_is_left_of_the_block_before() {
        let (full, mut flat) = (std::array::from_fn(|at| at as i32 - 20), [0; 64]);
        flat[0] = 77;
        flat[1] = 1;
        for size in SIZES {
            let mut scale = Scale::new::<u8>(size, &steps());
            let (mut after, mut alone) = ([0; ROOM], [0; ROOM]);
            write(&mut scale, &full, &mut after);
            write(&mut scale, &flat, &mut after);
            write(&mut Scale::new::<u8>(size, &steps()), &flat, &mut alone);
            assert_eq!(after, alone);
        }
    }

    #[test]
    fn what_a_size_does_not_read_has_no_share() {
        for size in SIZES {
            for (at, place) in ZIGZAG.into_iter().enumerate() {
                let mut block = [0; 64];
                (block[0], block[at]) = (10, 50);
                let out = samples::<Fine>(size, &block);
                let mut rows = out.chunks(STRIDE).take(size.side());
                let changed = rows.any(|row| row[..size.side()].iter().any(|sample| *sample != out[0]));
                assert_eq!(changed, at > 0 && size.reads(place.into()), "{at} as {size:?}");
            }
        }
    }
}
