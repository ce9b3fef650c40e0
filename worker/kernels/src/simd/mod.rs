//! The few vector operations that every kernel is written in, once; each instruction set implements them.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

/// Vectors of `LANES` floats. The implementing type is a token: whoever holds one has made sure that the
/// processor has the instructions, so arithmetic is safe; only memory access is not.
///
/// All methods are `inline(always)`: they become single instructions only inside a function compiled for the
/// instruction set (see `table`).
pub(crate) trait Simd: Copy {
    /// One vector register.
    type V: Copy;
    /// Floats in a register; divides 16.
    const LANES: usize;

    /// Reads `LANES` floats.
    ///
    /// # Safety
    /// `from` must be valid for reads of `LANES` floats; any alignment.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// Writes `LANES` floats.
    ///
    /// # Safety
    /// `to` must be valid for writes of `LANES` floats; any alignment.
    unsafe fn store(self, to: *mut f32, v: Self::V);
    /// Asks for the cache line at `at`, which need not be valid, in the second-level cache.
    fn prefetch(self, at: *const f32);
    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the processor can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of both; if `b` is not a number, `b`.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of both; if `b` is not a number, `b`.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// To the nearest whole number, ties to even; for values within ±2³¹.
    fn round(self, a: Self::V) -> Self::V;
    /// 2ⁿ for whole numbers n within −126..=127.
    fn exp2(self, n: Self::V) -> Self::V;
}

/// Vectors of 16 floats that hold pairs.
#[cfg(target_arch = "x86_64")]
pub(crate) trait Pairs: Simd {
    /// Two floats, over and over.
    ///
    /// # Safety
    /// `from` must be valid for reads of two floats; any alignment.
    unsafe fn splat_pair(self, from: *const f32) -> Self::V;
    /// The sums of neighbours: first those of `a`, then those of `b`.
    fn sum_pairs(self, a: Self::V, b: Self::V) -> Self::V;
}
