//! Tiles of one and a half blocks of output channels, where a register holds a whole block.
//!
//! By itself, half a block would leave half of its registers empty. So here a lane does not belong to an output channel alone, but also to
//! the even or the odd ones of the inputs: eight channels fill a register, and 24 fill three. Even and odd sums are added at the end.
//! Apart from that, it is done as in `tile`.

#[cfg(target_arch = "x86_64")]
use std::hint::black_box;

use crate::layout::BLOCK;
#[cfg(target_arch = "x86_64")]
use crate::{
    simd::Pairs,
    tile::{Tiles, write},
};

/// Output channels.
pub(crate) const WIDTH: usize = BLOCK / 2 * VECTORS;

/// Vectors of weights for each two inputs.
const VECTORS: usize = 3;

/// Where the weight of output channel `lane` and input `column` is packed, from the panel's first weight on.
pub(crate) fn place(lane: usize, column: usize) -> usize {
    let half = BLOCK / 2;
    column / 2 * 2 * WIDTH + lane / half * BLOCK + lane % half * 2 + column % 2
}

/// Computes tiles, as `tile::tiles` does. All segments have an even number of floats.
///
/// # Safety
/// As for `tile::tiles`, with a whole second block of output, residual and bias, of which the upper half does not count.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "plain counted loops are what the compiler unrolls into registers")]
pub(crate) unsafe fn tiles<S: Pairs, const P: usize, const STEP: usize>(s: S, tiles: &Tiles) {
    let output_step = if STEP == 0 { tiles.output_step } else { BLOCK };
    let (mut first, mut offsets, mut ahead) = (tiles.input, tiles.offsets, tiles.ahead);
    let mut place = tiles.place;
    for _ in 0..tiles.count {
        (first, place) = black_box((first, place));
        let mut sums = [[s.splat(0.0); VECTORS]; P];
        // SAFETY: every address is one of those that the caller grants: weights advance by the vectors of two floats for two floats of
        // each segment, n is below 2 and p below P.
        unsafe {
            let mut offset = [0; P];
            for p in 0..P {
                offset[p] = if STEP == 0 { *offsets.add(p) } else { p * STEP };
            }
            let mut weights = tiles.weights;
            for segment in std::slice::from_raw_parts(tiles.segments, tiles.segment_count) {
                let mut input = first.add(segment.offset);
                let end = input.add(segment.count);
                while input != end {
                    for line in 0..VECTORS {
                        s.prefetch(ahead.wrapping_byte_add(line * tiles.ahead_step * 2 / VECTORS));
                    }
                    ahead = ahead.wrapping_byte_add(2 * tiles.ahead_step);
                    let mut w = [s.splat(0.0); VECTORS];
                    for n in 0..VECTORS {
                        w[n] = s.load(weights.add(n * BLOCK));
                    }
                    for p in 0..P {
                        let x = s.splat_pair(input.add(offset[p]));
                        for n in 0..VECTORS {
                            sums[p][n] = s.fma(x, w[n], sums[p][n]);
                        }
                    }
                    weights = weights.add(VECTORS * BLOCK);
                    input = input.add(2);
                }
            }
            let bias = [s.load(tiles.bias), s.load(tiles.bias.add(BLOCK))];
            let mut blocks = [[s.splat(0.0); 2]; P];
            for p in 0..P {
                blocks[p][0] = s.add(s.sum_pairs(sums[p][0], sums[p][1]), bias[0]);
                blocks[p][1] = s.add(s.sum_pairs(sums[p][2], s.splat(0.0)), bias[1]);
            }
            let at = |p: usize, n: usize| n * tiles.block_stride + p * output_step;
            if !place.residual.is_null() {
                for n in 0..2 {
                    for (p, block) in blocks.iter_mut().enumerate() {
                        block[n] = s.add(block[n], s.load(place.residual.add(at(p, n))));
                    }
                }
            }
            write(s, &blocks, (tiles.low, tiles.high), |p, n| place.output.add(at(p, n)));
        }
        place = place.after(P * output_step);
        if STEP == 0 {
            offsets = offsets.wrapping_add(P);
        } else {
            first = first.wrapping_add(P * STEP);
        }
    }
}
