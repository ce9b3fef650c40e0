//! NEON, which every 64-bit Arm processor has.

use std::arch::aarch64::*;

use super::Simd;

/// 4 lanes.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// Arithmetic methods, each one intrinsic.
macro_rules! arithmetic {
    ($($name:ident($($arg:ident),*) => $body:expr;)*) => { $(
        #[inline(always)]
        fn $name(self, $($arg: float32x4_t),*) -> float32x4_t {
            // SAFETY: every 64-bit Arm processor has NEON.
            unsafe { $body }
        }
    )* };
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: the caller grants LANES floats.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: float32x4_t) {
        // SAFETY: as in `load`.
        unsafe { vst1q_f32(to, v) }
    }
    /// Left to the processor: the instruction is not stable in Rust.
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: every 64-bit Arm processor has NEON.
        unsafe { vdupq_n_f32(x) }
    }
    // FMAX and FMIN return "not a number" when either operand is one, which includes what the trait asks.
    arithmetic! {
        add(a, b) => vaddq_f32(a, b);
        mul(a, b) => vmulq_f32(a, b);
        div(a, b) => vdivq_f32(a, b);
        fma(a, b, c) => vfmaq_f32(c, a, b);
        max(a, b) => vmaxq_f32(a, b);
        min(a, b) => vminq_f32(a, b);
        round(a) => vrndnq_f32(a);
        exp2(n) => vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127))));
    }
}
