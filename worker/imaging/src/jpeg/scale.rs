//! What becomes of the coefficients of a component: blocks of 8×8 samples, or of means of these.

use super::idct::{Transform, mean};
use super::means::Means;
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

/// What takes the coefficients of a block.
pub(super) trait Sink {
    /// Takes the first coefficient, as it was coded: not dequantised.
    fn put_first(&mut self, value: i32);

    /// Takes the coefficient at this position in zigzag order. What lies after position 63 does not count: blocks end at 127 at
    /// the latest, and only a wrong code goes beyond, up to 317, with a zero, before it is an error.
    fn put(&mut self, at: usize, value: i32);
}

/// Where the coefficients of a block come from.
pub(super) trait Source {
    /// Gives the first coefficient only.
    fn first(self) -> Result<i32, DecodeError>;

    /// Gives `sink` the first coefficient and all others that are not zero. It may also give zeros, to positions that get nothing
    /// else, or get a coefficient after it. Returns the position of the last coefficient in zigzag order.
    fn all(self, sink: &mut impl Sink) -> Result<usize, DecodeError>;
}

/// The way from a component's coefficients to its samples.
pub(super) enum Scale {
    /// With the quantisation step of the only coefficient that counts.
    One(i32),
    Two(Means<1>),
    Four(Means<2>),
    Eight(Box<Transform>),
}

impl Scale {
    /// To blocks of this size, from coefficients that were quantised with this table (in zigzag order).
    pub fn new<S: Sample>(size: Size, quantisation: &[u16; 64]) -> Self {
        match size {
            Size::One => Self::One(quantisation[0].into()),
            Size::Two => Self::Two(Means::new::<S>(quantisation)),
            Size::Four => Self::Four(Means::new::<S>(quantisation)),
            Size::Eight => Self::Eight(Box::new(Transform::new(quantisation))),
        }
    }

    /// Writes a block of samples to `out`, whose rows are `stride` apart.
    #[inline(always)]
    pub fn write<S: Sample>(&mut self, from: impl Source, out: &mut [S], stride: usize) -> Result<(), DecodeError> {
        match self {
            Self::One(step) => out[0] = mean(from.first()?.wrapping_mul(*step)),
            Self::Two(means) => means.write(from, out, stride)?,
            Self::Four(means) => means.write(from, out, stride)?,
            Self::Eight(transform) => {
                let last = from.all(transform.as_mut())?;
                transform.finish(last, out, stride);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::ZIGZAG;
    use super::*;
    use crate::sample::Fine;

    /// A block's coefficients in zigzag order.
    #[derive(Clone, Copy)]
    struct Known<'a>(&'a [i32; 64]);

    impl Known<'_> {
        fn last(self) -> usize {
            self.0.iter().rposition(|&value| value != 0).unwrap_or(0)
        }
    }

    impl Source for Known<'_> {
        fn first(self) -> Result<i32, DecodeError> {
            Ok(self.0[0])
        }

        fn all(self, sink: &mut impl Sink) -> Result<usize, DecodeError> {
            sink.put_first(self.0[0]);
            for (at, &value) in self.0.iter().enumerate().skip(1).filter(|(_, value)| **value != 0) {
                sink.put(at, value);
            }
            // What a decoder may put after the last one.
            sink.put(64, 1);
            sink.put(144, -1);
            Ok(self.last())
        }
    }

    const SIZES: [Size; 4] = [Size::One, Size::Two, Size::Four, Size::Eight];
    /// Samples from one row to the next, and samples of a block with them.
    const STRIDE: usize = 11;
    const ROOM: usize = 8 * STRIDE;

    fn steps() -> [u16; 64] {
        std::array::from_fn(|at| 1 + at as u16 / 5)
    }

    fn samples<S: Sample>(size: Size, block: &[i32; 64]) -> [S; ROOM] {
        let mut out = [S::default(); ROOM];
        Scale::new::<S>(size, &steps()).write(Known(block), &mut out, STRIDE).unwrap();
        out
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
                let rounded = if Known(&block).last() == 0 { 0.51 } else { 0.0 };
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
            let mut out = [0; ROOM];
            scale.write(Known(&full), &mut out, STRIDE).unwrap();
            scale.write(Known(&flat), &mut out, STRIDE).unwrap();
            assert_eq!(out, samples::<u8>(size, &flat));
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
