//! What happens to every value on its way out of an op.

use crate::simd::Simd;

/// A function of one value, applied after bias and residual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// The value itself.
    None,
    /// At least the first, at most the second bound.
    Clamp(f32, f32),
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// x · sigmoid(x), also called swish.
    Silu,
    /// `alpha` · x + `beta`, within 0 and 1.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// x · hard sigmoid(x) with slope 1/6 and 1/2 at 0.
    HardSwish,
    /// x · Φ(x) with the exact normal distribution Φ (the variant by erf).
    Gelu,
}

impl Activation {
    /// Nothing below 0.
    pub const RELU: Self = Self::Clamp(0.0, f32::INFINITY);
    /// Nothing below 0 or above 6.
    pub const RELU6: Self = Self::Clamp(0.0, 6.0);

    /// The bounds that the kernels apply to their registers; those that are no clamp follow as a second pass over
    /// what was just written.
    pub(crate) fn clamp(self) -> (f32, f32) {
        match self {
            Self::Clamp(low, high) => (low, high),
            _ => (f32::NEG_INFINITY, f32::INFINITY),
        }
    }

    pub(crate) fn needs_pass(self) -> bool {
        !matches!(self, Self::None | Self::Clamp(..))
    }
}

/// Applies an activation in place.
///
/// # Safety
/// `values` must be valid for reads and writes of `len` floats, a multiple of `S::LANES`.
#[inline(always)]
pub(crate) unsafe fn activate<S: Simd>(s: S, activation: Activation, values: *mut f32, len: usize) {
    // SAFETY: the caller's promise is passed on.
    unsafe {
        match activation {
            Activation::None => (),
            Activation::Clamp(low, high) => {
                let (low, high) = (s.splat(low), s.splat(high));
                map(s, values, len, |x| s.min(high, s.max(low, x)));
            }
            Activation::Sigmoid => map(s, values, len, |x| without_tiny(s, sigmoid(s, x))),
            Activation::Silu => map(s, values, len, |x| without_tiny(s, s.mul(x, sigmoid(s, x)))),
            Activation::HardSigmoid { alpha, beta } => map(s, values, len, |x| hard_sigmoid(s, alpha, beta, x)),
            Activation::HardSwish => {
                map(s, values, len, |x| without_tiny(s, s.mul(x, hard_sigmoid(s, 1.0 / 6.0, 0.5, x))));
            }
            Activation::Gelu => map(s, values, len, |x| without_tiny(s, gelu(s, x))),
        }
    }
}

/// # Safety
/// As [`activate`].
#[inline(always)]
unsafe fn map<S: Simd>(s: S, values: *mut f32, len: usize, f: impl Fn(S::V) -> S::V) {
    for i in (0..len).step_by(S::LANES) {
        // SAFETY: i + LANES ≤ len.
        unsafe { s.store(values.add(i), f(s.load(values.add(i)))) };
    }
}

/// A value in steps of 2⁻¹⁰³: it changes by its last bit or half a step at most, and what is smaller than half a step becomes zero.
///
/// Smooth activations let values that matter to nobody shrink from layer to layer until they are denormal, and to multiply those takes
/// Intel's processors a hundred times as long. (There is a mode in which they count as zeros, but Rust's rules forbid it.)
#[inline(always)]
fn without_tiny<S: Simd>(s: S, x: S::V) -> S::V {
    // 2⁻⁸⁰, whose last bit is one step.
    const BASE: f32 = f32::from_bits((127 - 80) << 23);
    s.add(s.add(x, s.splat(BASE)), s.splat(-BASE))
}

#[inline(always)]
fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.mul(s.splat(-1.0), x))))
}

#[inline(always)]
fn hard_sigmoid<S: Simd>(s: S, alpha: f32, beta: f32, x: S::V) -> S::V {
    let line = s.fma(s.splat(alpha), x, s.splat(beta));
    s.min(s.splat(1.0), s.max(s.splat(0.0), line))
}

/// max(x, 0) − |x|·Q(|x|) with the upper tail Q = erfc(|x|/√2)/2; erfc by Abramowitz & Stegun 7.1.26, whose error is
/// at most 1.5e-7.
#[inline(always)]
fn gelu<S: Simd>(s: S, x: S::V) -> S::V {
    let size = s.max(s.mul(s.splat(-1.0), x), x);
    let z = s.mul(s.splat(std::f32::consts::FRAC_1_SQRT_2), size);
    let t = s.div(s.splat(1.0), s.fma(s.splat(0.327_591_1), z, s.splat(1.0)));
    let terms = [1.061_405_4, -1.453_152, 1.421_413_8, -0.284_496_72, 0.254_829_6];
    let mut sum = s.splat(terms[0]);
    for term in &terms[1..] {
        sum = s.fma(sum, t, s.splat(*term));
    }
    let erfc = s.mul(s.mul(sum, t), exp(s, s.mul(s.mul(z, z), s.splat(-1.0))));
    s.fma(s.mul(s.splat(-0.5), size), erfc, s.max(s.splat(0.0), x))
}

/// eˣ to 2 units in the last place: x = n·ln 2 + r with |r| ≤ ln 2 / 2, then 2ⁿ times a polynomial in r (a Taylor
/// series whose last coefficients are adjusted to the interval). Arguments beyond ±87 count as ±87.
#[inline(always)]
fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.min(s.splat(87.0), s.max(s.splat(-87.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts, so that n · ln 2 is exact enough.
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let terms = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5];
    let mut sum = s.splat(terms[0]);
    for term in &terms[1..] {
        sum = s.fma(sum, r, s.splat(*term));
    }
    let power = s.add(s.fma(s.mul(r, r), sum, r), s.splat(1.0));
    s.mul(power, s.exp2(n))
}
