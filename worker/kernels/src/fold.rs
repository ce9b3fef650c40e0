//! The kernel behind depthwise convolutions and pools: every channel by itself.

use crate::layout::BLOCK;
use crate::simd::Simd;

/// The operands of some output rows of one block of channels.
pub(crate) struct Rows {
    pub count: usize,
    /// The memory in which input rows lie.
    pub input: *const f32,
    /// Where each of them starts there, in floats: with the first pixel's first tap. The first is that under the first output row's first
    /// tap.
    pub places: *const usize,
    /// Vertical and horizontal taps.
    pub kernel: [usize; 2],
    /// Rows and pixels from one output to the next, and from one tap to the next.
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// 16 floats for each tap, and 16 that the sums start from; unused by max-pools.
    pub weights: *const f32,
    pub bias: *const f32,
    pub output: *mut f32,
    /// Of an output row; the next one follows.
    pub pixels: usize,
    /// Results are kept within these bounds.
    pub low: f32,
    pub high: f32,
}

/// Pixels that are computed together: 7 divides the widths that networks have (112, 56, 28, 14, 7).
const TOGETHER: usize = 7;

/// Computes rows: weighted sums over the window, or its maxima. `K` and `STRIDE` are the taps of either axis and the horizontal
/// stride where they are known when compiling (horizontal dilation is 1 then); 0 where they are not.
///
/// # Safety
/// All addresses that follow from the fields of `rows` as documented must be valid; `pixels` is at least 1.
#[inline(always)]
pub(crate) unsafe fn fold<S: Simd, const K: usize, const STRIDE: usize, const MAX: bool>(s: S, rows: &Rows) {
    // SAFETY: runs of pixels are within 0..pixels, lanes within the block.
    unsafe {
        for (lane, y) in (0..BLOCK).step_by(S::LANES).flat_map(|lane| (0..rows.count).map(move |y| (lane, y))) {
            if K == 0 || rows.pixels < TOGETHER {
                for first in 0..rows.pixels {
                    run::<S, K, STRIDE, MAX, 1>(s, rows, y, first, lane);
                }
                continue;
            }
            let mut first = 0;
            loop {
                run::<S, K, STRIDE, MAX, TOGETHER>(s, rows, y, first, lane);
                if first + TOGETHER == rows.pixels {
                    break;
                }
                // The last run starts early and computes some pixels again rather than run past the end.
                first = (first + TOGETHER).min(rows.pixels - TOGETHER);
            }
        }
    }
}

/// `P` pixels of row `y` from `first` on, one vector of channels.
///
/// # Safety
/// As [`fold`], with `y` below `count` and `first + P` at most `pixels`.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "plain counted loops are what the compiler unrolls into registers")]
unsafe fn run<S: Simd, const K: usize, const STRIDE: usize, const MAX: bool, const P: usize>(
    s: S,
    rows: &Rows,
    y: usize,
    first: usize,
    lane: usize,
) {
    let (kernel, stride, dilation) =
        if K == 0 { (rows.kernel, rows.stride[1], rows.dilation[1]) } else { ([K; 2], STRIDE, 1) };
    // SAFETY: input pixel first·stride + (P−1)·stride + (kernel−1)·dilation is the last one touched in a row, and the
    // caller grants it; weights have kernel[0]·kernel pixels of 16 floats.
    unsafe {
        let start = if MAX { s.splat(f32::NEG_INFINITY) } else { s.load(rows.bias.add(lane)) };
        let mut values = [start; P];
        let mut weights = rows.weights.wrapping_add(lane);
        for ky in 0..kernel[0] {
            let place = *rows.places.add(y * rows.stride[0] + ky * rows.dilation[0]);
            let input = rows.input.add(place + first * stride * BLOCK + lane);
            if K == 0 {
                for kx in 0..kernel[1] {
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
            weights = weights.wrapping_add(kernel[1] * BLOCK);
        }
        let (low, high) = (s.splat(rows.low), s.splat(rows.high));
        let output = rows.output.add((y * rows.pixels + first) * BLOCK + lane);
        for (p, value) in values.iter().enumerate() {
            s.store(output.add(p * BLOCK), s.min(high, s.max(low, *value)));
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
