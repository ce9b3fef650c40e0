//! The multiply-accumulate kernel behind every convolution and matrix product.
//!
//! A tile is `P` neighbouring pixels × `N` vectors of output channels, held in `P·N` registers from the first to the
//! last input (of a chunk, where a panel has several). For each input channel of each tap it loads `N` vectors of packed
//! weights, broadcasts one float per pixel, and multiplies. Which floats those are is a list of segments: runs of consecutive floats, at the same
//! distance from each pixel's start. A 3×3 convolution has a segment per block and tap; a planar input one per channel and
//! row of taps; a matrix product has one. So one kernel serves all, and one output's sum is always formed in the same
//! order.
//!
//! Tiles of one size are computed in one call, because between calls short sums wait: a tile of 16 input channels takes AVX2
//! 96 cycles at its peak, and took 133 with a call for each.

use std::hint::black_box;

use crate::layout::BLOCK;
use crate::simd::Simd;

/// `count` floats, `offset` floats after the pixel's first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub offset: usize,
    pub count: usize,
}

/// The operands of `count` tiles, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    pub count: usize,
    pub input: *const f32,
    /// Where each pixel starts, in floats from `input`; read only if pixels are not known to be equally far apart.
    pub offsets: *const usize,
    pub segments: *const Segment,
    pub segment_count: usize,
    /// For each float of each segment, `N` vectors.
    pub weights: *const f32,
    /// Weights that are wanted later: for each float of each segment of each tile, so many bytes are fetched from there on.
    pub ahead: *const f32,
    pub ahead_step: usize,
    /// `N` vectors: what the sums start from.
    pub bias: *const f32,
    /// Where the first tile writes.
    pub place: Place,
    pub output_step: usize,
    pub block_stride: usize,
    /// Results are kept within these bounds.
    pub low: f32,
    pub high: f32,
}

/// Where a tile writes, and reads what is added to it.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Block b of pixel p goes to `output + b · block_stride + p · output_step`.
    pub output: *mut f32,
    /// Added at the end; shaped and strided like `output`, or null. May be the output itself: a tile reads before it writes.
    pub residual: *const f32,
}

impl Place {
    /// The place so many floats on.
    #[inline(always)]
    pub fn after(self, floats: usize) -> Self {
        let residual = if self.residual.is_null() { self.residual } else { self.residual.wrapping_add(floats) };
        Self { output: self.output.wrapping_add(floats), residual }
    }
}

/// The step of planar images that tiles are compiled for.
const PLANAR: usize = 2;

/// Computes tiles. `STEP` is how many floats pixels of the input lie apart, where that is known when compiling and pixels
/// of the output are blocks, one after the other: addresses then need no arithmetic. 0 where it is not.
///
/// # Safety
/// All addresses that follow from the fields of `tiles` as documented must be valid, for `count` times `P` pixels, `N`
/// vectors and all segments.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "plain counted loops are what the compiler unrolls into registers")]
pub(crate) unsafe fn tiles<S: Simd, const P: usize, const N: usize, const STEP: usize>(s: S, tiles: &Tiles) {
    let output_step = if STEP == 0 { tiles.output_step } else { BLOCK };
    let (mut first, mut offsets, mut ahead) = (tiles.input, tiles.offsets, tiles.ahead);
    let lines = (N * S::LANES).div_ceil(BLOCK);
    let mut place = tiles.place;
    for _ in 0..tiles.count {
        // Keeps the compiler from carrying the address of each pixel to the next tile, where registers are few.
        (first, place) = black_box((first, place));
        let mut sums = [[s.splat(0.0); N]; P];
        // SAFETY: every address is one of those that the caller grants: weights advance by N vectors for each float of
        // each segment, n is below N and p below P.
        unsafe {
            let mut offset = [0; P];
            for p in 0..P {
                offset[p] = if STEP == 0 { *offsets.add(p) } else { p * STEP };
            }
            for n in 0..N {
                let bias = s.load(tiles.bias.add(n * S::LANES));
                for sum in &mut sums {
                    sum[n] = bias;
                }
            }
            let mut weights = tiles.weights;
            for segment in std::slice::from_raw_parts(tiles.segments, tiles.segment_count) {
                let mut input = first.add(segment.offset);
                let end = input.add(segment.count);
                while input != end {
                    // Planar images have few channels, so their weights are few, too.
                    if STEP != PLANAR {
                        for line in 0..lines {
                            s.prefetch(ahead.wrapping_byte_add(line * tiles.ahead_step / lines));
                        }
                        ahead = ahead.wrapping_byte_add(tiles.ahead_step);
                    }
                    let mut w = [s.splat(0.0); N];
                    for n in 0..N {
                        w[n] = s.load(weights.add(n * S::LANES));
                    }
                    for p in 0..P {
                        let x = s.splat(*input.add(offset[p]));
                        for n in 0..N {
                            sums[p][n] = s.fma(x, w[n], sums[p][n]);
                        }
                    }
                    weights = weights.add(N * S::LANES);
                    input = input.add(1);
                }
            }
            let at = |p: usize, n: usize| {
                let channel = n * S::LANES;
                channel / BLOCK * tiles.block_stride + channel % BLOCK + p * output_step
            };
            if !place.residual.is_null() {
                for n in 0..N {
                    for (p, sum) in sums.iter_mut().enumerate() {
                        sum[n] = s.add(sum[n], s.load(place.residual.add(at(p, n))));
                    }
                }
            }
            write(s, &sums, (tiles.low, tiles.high), |p, n| place.output.add(at(p, n)));
        }
        place = place.after(P * output_step);
        if STEP == 0 {
            offsets = offsets.wrapping_add(P);
        } else {
            first = first.wrapping_add(P * STEP);
        }
    }
}

/// Writes `N` vectors of each of `P` pixels, within bounds. Without any, it asks only once: after few inputs, two bounds take a tenth of
/// the time.
///
/// # Safety
/// `at` must give addresses that are valid for writes of a vector.
#[inline(always)]
pub(crate) unsafe fn write<S: Simd, const P: usize, const N: usize>(
    s: S,
    values: &[[S::V; N]; P],
    (low, high): (f32, f32),
    at: impl Fn(usize, usize) -> *mut f32,
) {
    // SAFETY: granted by the caller.
    unsafe {
        if low > f32::NEG_INFINITY || high < f32::INFINITY {
            let (low, high) = (s.splat(low), s.splat(high));
            for n in 0..N {
                for (p, value) in values.iter().enumerate() {
                    s.store(at(p, n), s.min(high, s.max(low, value[n])));
                }
            }
        } else {
            for n in 0..N {
                for (p, value) in values.iter().enumerate() {
                    s.store(at(p, n), value[n]);
                }
            }
        }
    }
}
