//! Timing shared by the examples: the processor's peak, and best-of-N.

#![allow(dead_code, reason = "each example uses its part")]

pub mod chain;

use std::time::Instant;

/// A reproducible stream of floats within ±1.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2) + 1)
    }

    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn take(&mut self, len: usize, scale: f32) -> Vec<f32> {
        (0..len).map(|_| self.next() * scale).collect()
    }
}

/// Seconds of the fastest of `rounds` calls.
pub fn best(rounds: usize, mut call: impl FnMut()) -> f64 {
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

/// Floating-point operations per second of a loop of independent multiply-adds.
pub fn peak(isa: kernels::Isa) -> f64 {
    const LOOPS: usize = 40_000;
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::*;
        #[target_feature(enable = "avx512f")]
        fn wide() -> f32 {
            let (a, b) = (_mm512_set1_ps(std::hint::black_box(0.5)), _mm512_set1_ps(std::hint::black_box(0.25)));
            let mut sums = [_mm512_setzero_ps(); 12];
            for _ in 0..LOOPS {
                for sum in &mut sums {
                    *sum = _mm512_fmadd_ps(*sum, a, b);
                }
            }
            sums.iter().map(|sum| _mm512_reduce_add_ps(*sum)).sum()
        }
        #[target_feature(enable = "avx2,fma")]
        fn half() -> f32 {
            let (a, b) = (_mm256_set1_ps(std::hint::black_box(0.5)), _mm256_set1_ps(std::hint::black_box(0.25)));
            let mut sums = [_mm256_setzero_ps(); 12];
            for _ in 0..LOOPS {
                for sum in &mut sums {
                    *sum = _mm256_fmadd_ps(*sum, a, b);
                }
            }
            sums.iter().map(|sum| _mm_cvtss_f32(_mm256_castps256_ps128(*sum))).sum()
        }
        let (flops, time) = match isa.name() {
            "avx512" => (
                LOOPS * 12 * 32,
                // SAFETY: an `Isa` of this name exists only where the processor has these instructions.
                best(5, || _ = std::hint::black_box(unsafe { wide() })),
            ),
            "avx2" => (
                LOOPS * 12 * 16,
                // SAFETY: as above.
                best(5, || _ = std::hint::black_box(unsafe { half() })),
            ),
            _ => return f64::NAN,
        };
        flops as f64 / time
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (isa, LOOPS);
        f64::NAN
    }
}
