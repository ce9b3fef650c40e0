//! Kernels that pass once over memory: sums, products by channel and mean of blocked images.

use crate::layout::BLOCK;
use crate::simd::Simd;

/// `out = clamp(a + b)`; all three may be the same.
///
/// # Safety
/// All must be valid for `len` floats, a multiple of `S::LANES`, `out` for writes.
#[inline(always)]
pub(crate) unsafe fn add<S: Simd>(
    s: S,
    a: *const f32,
    b: *const f32,
    out: *mut f32,
    len: usize,
    (low, high): (f32, f32),
) {
    let (low, high) = (s.splat(low), s.splat(high));
    for i in (0..len).step_by(S::LANES) {
        // SAFETY: i + LANES ≤ len.
        unsafe { s.store(out.add(i), s.min(high, s.max(low, s.add(s.load(a.add(i)), s.load(b.add(i)))))) };
    }
}

/// Multiplies each of `pixels` pixels of a block by the 16 `factors`, in place.
///
/// # Safety
/// `image` must be valid for reads and writes of `pixels` blocks, `factors` for reads of one.
#[inline(always)]
pub(crate) unsafe fn scale<S: Simd>(s: S, image: *mut f32, factors: *const f32, pixels: usize) {
    for lane in (0..BLOCK).step_by(S::LANES) {
        // SAFETY: the lanes of a block, pixel by pixel.
        unsafe {
            let factor = s.load(factors.add(lane));
            for pixel in 0..pixels {
                let value = image.add(pixel * BLOCK + lane);
                s.store(value, s.mul(s.load(value), factor));
            }
        }
    }
}

/// Pixels that are summed before they join the total, so that rounding errors of large images do not add up.
const RUN: usize = 64;

/// The mean of each channel of a block of `pixels` pixels.
///
/// # Safety
/// `image` must be valid for reads of `pixels` blocks, `out` for writes of one; `pixels` is at least 1.
#[inline(always)]
pub(crate) unsafe fn mean<S: Simd>(s: S, image: *const f32, out: *mut f32, pixels: usize) {
    for lane in (0..BLOCK).step_by(S::LANES) {
        let mut total = s.splat(0.0);
        for first in (0..pixels).step_by(RUN) {
            let end = pixels.min(first + RUN);
            // Four sums at once hide the latency of the additions.
            let mut sums = [s.splat(0.0); 4];
            let mut pixel = first;
            // SAFETY: pixels below `end`, the lanes of a block.
            unsafe {
                while pixel + 4 <= end {
                    sums[0] = s.add(sums[0], s.load(image.add(pixel * BLOCK + lane)));
                    sums[1] = s.add(sums[1], s.load(image.add((pixel + 1) * BLOCK + lane)));
                    sums[2] = s.add(sums[2], s.load(image.add((pixel + 2) * BLOCK + lane)));
                    sums[3] = s.add(sums[3], s.load(image.add((pixel + 3) * BLOCK + lane)));
                    pixel += 4;
                }
                while pixel < end {
                    sums[0] = s.add(sums[0], s.load(image.add(pixel * BLOCK + lane)));
                    pixel += 1;
                }
            }
            total = s.add(total, s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])));
        }
        // SAFETY: the lanes of a block.
        unsafe { s.store(out.add(lane), s.mul(total, s.splat(1.0 / pixels as f32))) };
    }
}
