//! The kernel behind depthwise convolutions and pools: every channel by itself, one output row at a time.

use crate::layout::BLOCK;
use crate::simd::Simd;

/// The operands of one output row of one block of channels.
pub(crate) struct Row {
    /// One input row per vertical tap, each starting at the first pixel's first tap.
    pub rows: *const *const f32,
    /// Vertical and horizontal taps.
    pub kernel: [usize; 2],
    /// Horizontal stride and dilation, in pixels.
    pub stride: usize,
    pub dilation: usize,
    /// 16 floats for each tap, and 16 that the sums start from; unused by max-pools.
    pub weights: *const f32,
    pub bias: *const f32,
    pub output: *mut f32,
    pub pixels: usize,
    /// Results are kept within these bounds.
    pub low: f32,
    pub high: f32,
}

/// Pixels that are computed together: 7 divides the widths that networks have (112, 56, 28, 14, 7).
const TOGETHER: usize = 7;

/// Computes one row: a weighted sum over the window, or its maximum. `K` and `STRIDE` are the horizontal taps and
/// stride where they are known when compiling (dilation is 1 then); 0 where they are not.
///
/// # Safety
/// All addresses that follow from the fields of `row` as documented must be valid; `pixels` is at least 1.
#[inline(always)]
pub(crate) unsafe fn fold<S: Simd, const K: usize, const STRIDE: usize, const MAX: bool>(s: S, row: &Row) {
    // SAFETY: runs of pixels are within 0..pixels, lanes within the block.
    unsafe {
        for lane in (0..BLOCK).step_by(S::LANES) {
            if K == 0 || row.pixels < TOGETHER {
                for first in 0..row.pixels {
                    run::<S, K, STRIDE, MAX, 1>(s, row, first, lane);
                }
                continue;
            }
            let mut first = 0;
            loop {
                run::<S, K, STRIDE, MAX, TOGETHER>(s, row, first, lane);
                if first + TOGETHER == row.pixels {
                    break;
                }
                // The last run starts early and computes some pixels again rather than run past the end.
                first = (first + TOGETHER).min(row.pixels - TOGETHER);
            }
        }
    }
}

/// `P` pixels from `first` on, one vector of channels.
///
/// # Safety
/// As [`fold`], with `first + P` at most `pixels`.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "plain counted loops are what the compiler unrolls into registers")]
unsafe fn run<S: Simd, const K: usize, const STRIDE: usize, const MAX: bool, const P: usize>(
    s: S,
    row: &Row,
    first: usize,
    lane: usize,
) {
    let (kernel, stride, dilation) = if K == 0 { (row.kernel[1], row.stride, row.dilation) } else { (K, STRIDE, 1) };
    // SAFETY: input pixel first·stride + (P−1)·stride + (kernel−1)·dilation is the last one touched in a row, and the
    // caller grants it; weights have kernel[0]·kernel pixels of 16 floats.
    unsafe {
        let start = if MAX { s.splat(f32::NEG_INFINITY) } else { s.load(row.bias.add(lane)) };
        let mut values = [start; P];
        let mut weights = row.weights.wrapping_add(lane);
        for ky in 0..row.kernel[0] {
            let input = (*row.rows.add(ky)).add(first * stride * BLOCK + lane);
            if K == 0 {
                for kx in 0..kernel {
                    let x = s.load(input.add(kx * dilation * BLOCK));
                    values[0] = step::<S, MAX>(s, values[0], x, weights.wrapping_add(kx * BLOCK));
                }
            } else {
                let mut w = [s.splat(0.0); K];
                let mut x = [s.splat(0.0); K];
                for kx in 0..K {
                    if !MAX {
                        w[kx] = s.load(weights.add(kx * BLOCK));
                    }
                    x[kx] = s.load(input.add(kx * BLOCK));
                }
                for p in 0..P {
                    for kx in 0..K {
                        values[p] = if MAX { s.max(values[p], x[kx]) } else { s.fma(x[kx], w[kx], values[p]) };
                    }
                    if p + 1 == P {
                        break;
                    }
                    for kx in 0..K {
                        let next = kx + STRIDE;
                        x[kx] = if next < K { x[next] } else { s.load(input.add((p * STRIDE + next) * BLOCK)) };
                    }
                }
            }
            weights = weights.wrapping_add(kernel * BLOCK);
        }
        let (low, high) = (s.splat(row.low), s.splat(row.high));
        for (p, value) in values.iter().enumerate() {
            s.store(row.output.add((first + p) * BLOCK + lane), s.min(high, s.max(low, *value)));
        }
    }
}

/// # Safety
/// Unless `MAX`, `weight` must be valid for reads of a vector.
#[inline(always)]
unsafe fn step<S: Simd, const MAX: bool>(s: S, value: S::V, x: S::V, weight: *const f32) -> S::V {
    if MAX {
        s.max(value, x)
    } else {
        // SAFETY: granted by the caller.
        s.fma(x, unsafe { s.load(weight) }, value)
    }
}
