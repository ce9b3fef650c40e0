//! Eight integers that are computed with at once.
//!
//! Compilers make vectors of loops over arrays, but not of a transposition: they move its 64 numbers one by one, which costs
//! more than the transform between two of them. So there is a second kind for AVX2.

/// Eight numbers. All arithmetic wraps.
pub(super) trait Lanes: Copy {
    /// Whether they are for functions that are compiled for AVX2 and BMI2, and for processors that have both.
    const AVX2: bool;

    /// From an array.
    fn of(values: [i32; 8]) -> Self;
    /// As an array.
    fn values(self) -> [i32; 8];
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, factor: i32) -> Self;
    fn shifted_left(self, bits: u32) -> Self;
    fn shifted_right(self, bits: u32) -> Self;
    /// Rows as columns.
    fn transposed(rows: [Self; 8]) -> [Self; 8];
}

impl Lanes for [i32; 8] {
    const AVX2: bool = false;

    #[inline(always)]
    fn of(values: [i32; 8]) -> Self {
        values
    }

    #[inline(always)]
    fn values(self) -> [i32; 8] {
        self
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane].wrapping_add(other[lane]))
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane].wrapping_sub(other[lane]))
    }

    #[inline(always)]
    fn times(self, factor: i32) -> Self {
        self.map(|value| value.wrapping_mul(factor))
    }

    #[inline(always)]
    fn shifted_left(self, bits: u32) -> Self {
        self.map(|value| value << bits)
    }

    #[inline(always)]
    fn shifted_right(self, bits: u32) -> Self {
        self.map(|value| value >> bits)
    }

    #[inline(always)]
    fn transposed(rows: [Self; 8]) -> [Self; 8] {
        std::array::from_fn(|row| std::array::from_fn(|column| rows[column][row]))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_mullo_epi32, _mm256_permute2x128_si256, _mm256_set1_epi32,
        _mm256_sll_epi32, _mm256_sra_epi32, _mm256_sub_epi32, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64,
        _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
    };
    use std::mem::transmute;

    use super::Lanes;

    /// Only for functions that are compiled for AVX2 and BMI2, and processors that have both.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(__m256i);

    impl Lanes for Avx2 {
        const AVX2: bool = true;

        #[inline(always)]
        fn of(values: [i32; 8]) -> Self {
            // SAFETY: 32 bytes either way, of which every pattern is a value.
            Self(unsafe { transmute::<[i32; 8], __m256i>(values) })
        }

        #[inline(always)]
        fn values(self) -> [i32; 8] {
            // SAFETY: 32 bytes either way, of which every pattern is a value.
            unsafe { transmute::<__m256i, [i32; 8]>(self.0) }
        }

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            // SAFETY: the instructions are AVX2's, which is there (see `Avx2`).
            Self(unsafe { _mm256_add_epi32(self.0, other.0) })
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            // SAFETY: the instructions are AVX2's, which is there (see `Avx2`).
            Self(unsafe { _mm256_sub_epi32(self.0, other.0) })
        }

        #[inline(always)]
        fn times(self, factor: i32) -> Self {
            // SAFETY: the instructions are AVX2's, which is there (see `Avx2`).
            Self(unsafe { _mm256_mullo_epi32(self.0, _mm256_set1_epi32(factor)) })
        }

        #[inline(always)]
        fn shifted_left(self, bits: u32) -> Self {
            // SAFETY: the instructions are AVX2's, which is there (see `Avx2`).
            Self(unsafe { _mm256_sll_epi32(self.0, _mm_cvtsi32_si128(bits as i32)) })
        }

        #[inline(always)]
        fn shifted_right(self, bits: u32) -> Self {
            // SAFETY: the instructions are AVX2's, which is there (see `Avx2`).
            Self(unsafe { _mm256_sra_epi32(self.0, _mm_cvtsi32_si128(bits as i32)) })
        }

        #[inline(always)]
        fn transposed([a, b, c, d, e, f, g, h]: [Self; 8]) -> [Self; 8] {
            // In each half of four numbers: rows become columns; then the halves change places.
            let ([a, b, c, d], [e, f, g, h]) = (quarters(a, b, c, d), quarters(e, f, g, h));
            let ([a, e], [b, f], [c, g], [d, h]) = (halves(a, e), halves(b, f), halves(c, g), halves(d, h));
            [a, b, c, d, e, f, g, h]
        }
    }

    /// Transposes the lower and the upper four lanes of four rows.
    #[inline(always)]
    fn quarters(a: Avx2, b: Avx2, c: Avx2, d: Avx2) -> [Avx2; 4] {
        // SAFETY: the instructions are AVX2's, which is there (see `Avx2`).
        unsafe {
            let (ab, ab_high) = (_mm256_unpacklo_epi32(a.0, b.0), _mm256_unpackhi_epi32(a.0, b.0));
            let (cd, cd_high) = (_mm256_unpacklo_epi32(c.0, d.0), _mm256_unpackhi_epi32(c.0, d.0));
            [
                Avx2(_mm256_unpacklo_epi64(ab, cd)),
                Avx2(_mm256_unpackhi_epi64(ab, cd)),
                Avx2(_mm256_unpacklo_epi64(ab_high, cd_high)),
                Avx2(_mm256_unpackhi_epi64(ab_high, cd_high)),
            ]
        }
    }

    /// The lower four lanes of both, and the upper four.
    #[inline(always)]
    fn halves(a: Avx2, b: Avx2) -> [Avx2; 2] {
        // SAFETY: the instructions are AVX2's, which is there (see `Avx2`).
        unsafe {
            [Avx2(_mm256_permute2x128_si256::<0x20>(a.0, b.0)), Avx2(_mm256_permute2x128_si256::<0x31>(a.0, b.0))]
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    fn rows(seed: i32) -> [[i32; 8]; 8] {
        std::array::from_fn(|row| {
            std::array::from_fn(|lane| (seed + row as i32 * 8 + lane as i32).wrapping_mul(0x9e37_79b1_u32 as i32))
        })
    }

    /// All operations on rows of numbers, as arrays.
    #[inline(always)]
    fn results<L: Lanes>() -> Vec<[[i32; 8]; 8]> {
        let (a, b) = (rows(1).map(L::of), rows(100).map(L::of));
        let each = |of: fn(L, L) -> L| std::array::from_fn(|row| of(a[row], b[row]).values());
        vec![
            a.map(L::values),
            each(L::plus),
            each(L::minus),
            each(|a, _| a.times(-12_299)),
            each(|a, _| a.shifted_left(13)),
            each(|a, _| a.shifted_right(11)),
            L::transposed(a).map(L::values),
        ]
    }

    #[target_feature(enable = "avx2")]
    fn results_avx2() -> Vec<[[i32; 8]; 8]> {
        results::<Avx2>()
    }

    #[test]
    fn both_kinds_compute_the_same() {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            assert_eq!(unsafe { results_avx2() }, results::<[i32; 8]>());
        }
        assert_eq!(results::<[i32; 8]>()[6][2][5], rows(1)[5][2]);
    }
}
