//! The multiply-accumulate kernel behind every convolution and matrix product.
//!
//! A tile is `P` neighbouring pixels × `N` vectors of output channels, held in `P·N` registers from the first to the
//! last input. For each input channel of each tap it loads `N` vectors of packed weights, broadcasts one float per
//! pixel, and multiplies. Which floats those are is a list of segments: runs of consecutive floats, at the same
//! distance from each pixel. A 3×3 convolution has a segment per block and tap; a planar input one per channel and
//! row of taps; a matrix product has one. So one kernel serves all, and one output's sum is always formed in the same
//! order.

use crate::layout::BLOCK;
use crate::simd::Simd;

/// `count` floats, `offset` floats after the pixel's first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub offset: usize,
    pub count: usize,
}

/// The operands of one tile.
pub(crate) struct Tile {
    /// Pixel p starts at `input + p · input_step`.
    pub input: *const f32,
    pub input_step: usize,
    pub segments: *const Segment,
    pub segment_count: usize,
    /// For each float of each segment, `N` vectors.
    pub weights: *const f32,
    /// Floats of the panel's weights; the next panel's follow.
    pub panel_len: usize,
    /// `N` vectors: what the sums start from.
    pub bias: *const f32,
    /// Added at the end; shaped and strided like `output`, or null.
    pub residual: *const f32,
    /// Block b of pixel p goes to `output + b · block_stride + p · output_step`.
    pub output: *mut f32,
    pub output_step: usize,
    pub block_stride: usize,
    /// Results are kept within these bounds.
    pub low: f32,
    pub high: f32,
}

/// Computes one tile. `STEP` is `input_step` where that is known when compiling, so that addresses need no
/// arithmetic; 0 where it is not.
///
/// # Safety
/// All addresses that follow from the fields of `tile` as documented must be valid, for `P` pixels, `N` vectors
/// and all segments.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "plain counted loops are what the compiler unrolls into registers")]
pub(crate) unsafe fn tile<S: Simd, const P: usize, const N: usize, const STEP: usize>(s: S, tile: &Tile) {
    let step = if STEP == 0 { tile.input_step } else { STEP };
    let mut sums = [[s.splat(0.0); N]; P];
    // SAFETY: every address is one of those that the caller grants: weights advance by N vectors for each float of
    // each segment, n is below N and p below P.
    unsafe {
        for n in 0..N {
            let bias = s.load(tile.bias.add(n * S::LANES));
            for sum in &mut sums {
                sum[n] = bias;
            }
        }
        let mut weights = tile.weights;
        for segment in std::slice::from_raw_parts(tile.segments, tile.segment_count) {
            let mut input = tile.input.add(segment.offset);
            let end = input.add(segment.count);
            while input != end {
                // The next panel's weights, at the same place: each panel is read from far away only once, and the
                // processor does not foresee it.
                for line in (0..N * S::LANES).step_by(BLOCK) {
                    s.prefetch(weights.wrapping_add(tile.panel_len + line));
                }
                let mut w = [s.splat(0.0); N];
                for n in 0..N {
                    w[n] = s.load(weights.add(n * S::LANES));
                }
                for p in 0..P {
                    let x = s.splat(*input.add(p * step));
                    for n in 0..N {
                        sums[p][n] = s.fma(x, w[n], sums[p][n]);
                    }
                }
                weights = weights.add(N * S::LANES);
                input = input.add(1);
            }
        }
        if !tile.residual.is_null() {
            for n in 0..N {
                for (p, sum) in sums.iter_mut().enumerate() {
                    sum[n] = s.add(sum[n], s.load(tile.residual.add(place::<S>(tile, p, n))));
                }
            }
        }
        let (low, high) = (s.splat(tile.low), s.splat(tile.high));
        for n in 0..N {
            for (p, sum) in sums.iter().enumerate() {
                s.store(tile.output.add(place::<S>(tile, p, n)), s.min(high, s.max(low, sum[n])));
            }
        }
    }
}

/// Where vector n of pixel p lies in the output.
#[inline(always)]
fn place<S: Simd>(tile: &Tile, p: usize, n: usize) -> usize {
    let channel = n * S::LANES;
    channel / BLOCK * tile.block_stride + channel % BLOCK + p * tile.output_step
}
