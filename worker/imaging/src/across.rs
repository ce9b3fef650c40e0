//! One row of pixels, resized.
//!
//! What a target pixel is made of lies one after the other, three samples a pixel, so no vector is full of numbers that belong
//! together. It holds a few pixels of one target pixel instead: two on any processor, four with AVX2, whose products of 16-bit numbers are
//! added in pairs.
//! A weight is two such numbers, and no bit is lost: `weight · sample = (high · sample << LOW) + low · sample`.

use models::Filter;

use crate::sample::Sample;
use crate::taps::{Axis, FRACTION, Taps};

/// The weights of two pixels, one for each of six samples; two more samples are read, and count nothing.
type Pair = [i32; 8];

/// Rows of samples to rows of pixels.
#[derive(Default)]
pub(crate) struct Across {
    taps: Taps,
    /// The first sample of every target pixel's first pixel.
    firsts: Vec<usize>,
    weights: Weights,
}

/// The weights as the processor likes them. There are as many for every target pixel, the last ones perhaps zero: what has always the same
/// length is no surprise to it.
enum Weights {
    Pairs(Vec<Pair>),
    #[cfg(target_arch = "x86_64")]
    Quads(Vec<avx2::Quad>),
}

impl Default for Weights {
    fn default() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Self::Quads(Vec::new());
        }
        Self::Pairs(Vec::new())
    }
}

impl Across {
    /// Computes the weights of `filter` for an axis, for samples of this type.
    pub fn set<S: Sample>(&mut self, filter: Filter, axis: Axis) {
        if !self.taps.set(filter, axis, FRACTION - S::FRACTION) {
            return;
        }
        self.firsts.clear();
        self.firsts.extend(self.taps.windows().map(|(first, _)| first * 3));
        match &mut self.weights {
            Weights::Pairs(pairs) => {
                fill(pairs, &self.taps, |[near, far]: [i32; 2]| [near, near, near, far, far, far, 0, 0])
            }
            #[cfg(target_arch = "x86_64")]
            Weights::Quads(quads) => fill(quads, &self.taps, avx2::quad),
        }
    }

    /// How many target pixels are wanted.
    pub fn len(&self) -> usize {
        self.taps.len()
    }

    /// The samples that are read after those of a row, and count nothing.
    pub fn beyond(&self) -> usize {
        // At most what is read for a target pixel that is made of the row's last pixel.
        self.taps.longest().next_multiple_of(4) * 3 + 4
    }

    /// Resizes a row. There are samples [`beyond`](Self::beyond) it in `line`.
    pub fn run<S: Sample>(&self, line: &[S], out: &mut [u8]) {
        let firsts = &self.firsts;
        match &self.weights {
            Weights::Pairs(pairs) => in_pairs(line, firsts, pairs, out),
            // SAFETY: these weights are made only where the processor has AVX2, which is all that the function asks for.
            #[cfg(target_arch = "x86_64")]
            Weights::Quads(quads) => unsafe { avx2::in_quads(line, firsts, quads, out) },
        }
    }
}

/// Makes a table of the weights of all target pixels, `N` at a time.
fn fill<const N: usize, W: Clone>(table: &mut Vec<W>, taps: &Taps, of: impl Fn([i32; N]) -> W) {
    table.clear();
    let each = taps.longest().div_ceil(N);
    for (_, weights) in taps.windows() {
        let padded = |number: usize| std::array::from_fn(|i| weights.get(number * N + i).copied().unwrap_or(0));
        table.extend((0..each).map(|number| of(padded(number))));
    }
}

fn in_pairs<S: Sample>(line: &[S], firsts: &[usize], pairs: &[Pair], out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut::<3>();
    let each = pairs.len() / out.len();
    for ((out, &first), pairs) in out.iter_mut().zip(firsts).zip(pairs.chunks_exact(each)) {
        let mut sums = [0; 8];
        for (weights, samples) in pairs.iter().zip(line[first..].windows(8).step_by(6)) {
            for ((sum, &weight), &sample) in sums.iter_mut().zip(weights).zip(samples) {
                *sum += weight * sample.steps();
            }
        }
        // All lanes, though three count: as one vector they cost less than three by themselves.
        let pixel: [i32; 8] = std::array::from_fn(|lane| sums[lane] + sums[(lane + 3) % 8]);
        let pixel = pixel.map(|sum| u8::clamped((sum + (1 << (FRACTION - 1))) >> FRACTION));
        out.copy_from_slice(&pixel[..3]);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;
    use std::mem::transmute;

    use super::Sample;
    use crate::taps::FRACTION;

    /// The high and the low parts of the weights of four pixels: for red, green, blue and nothing those of the first two pixels, and
    /// again those of the other two.
    pub(super) type Quad = [[i16; 16]; 2];

    /// Bits of a low part. A high part has a sign and, of a weight of 1, twelve bits.
    const LOW: i32 = 11;

    pub(super) fn quad([a, b, c, d]: [i32; 4]) -> Quad {
        let spread = |[a, b, c, d]: [i16; 4]| [a, b, a, b, a, b, 0, 0, c, d, c, d, c, d, 0, 0];
        let part = |of: fn(i32) -> i32| spread([a, b, c, d].map(|weight| of(weight) as i16));
        [part(|weight| weight >> LOW), part(|weight| weight & ((1 << LOW) - 1))]
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn in_quads<S: Sample>(line: &[S], firsts: &[usize], quads: &[Quad], out: &mut [u8]) {
        let each = quads.len() / firsts.len();
        // Most photos take one or two. Loops that the compiler knows to be that short cost nothing.
        match each {
            1 => in_quads_each::<1, S>(each, line, firsts, quads, out),
            2 => in_quads_each::<2, S>(each, line, firsts, quads, out),
            _ => in_quads_each::<0, S>(each, line, firsts, quads, out),
        }
    }

    /// With `each` quads for a target pixel; that is `EACH`, unless that is 0.
    #[target_feature(enable = "avx2")]
    fn in_quads_each<const EACH: usize, S: Sample>(
        each: usize,
        line: &[S],
        firsts: &[usize],
        quads: &[Quad],
        out: &mut [u8],
    ) {
        let each = if EACH == 0 { each } else { EACH };
        let nothing = _mm256_setzero_si256();
        for (number, (firsts, quads)) in firsts.chunks(4).zip(quads.chunks(4 * each)).enumerate() {
            let mut four = [nothing; 4];
            for (sums, (&first, quads)) in four.iter_mut().zip(firsts.iter().zip(quads.chunks_exact(each))) {
                *sums = sum::<S>(&line[first..][..each * 12 + 4], &quads[..each]);
            }
            let pixels = pixels(four);
            // Four more bytes, which the next pixels overwrite, make it one store.
            match out.get_mut(number * 12..number * 12 + 16) {
                Some(out) => out.copy_from_slice(&pixels),
                None => {
                    let length = firsts.len() * 3;
                    out[number * 12..][..length].copy_from_slice(&pixels[..length]);
                }
            }
        }
    }

    /// The sums of a target pixel: red, green, blue and nothing, in two halves that are to be added.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum<S: Sample>(samples: &[S], quads: &[Quad]) -> __m256i {
        let mut sums = [_mm256_setzero_si256(); 2];
        for (number, weights) in quads.iter().enumerate() {
            let samples = in_twos(&samples[number * 12..]);
            let [high, low] = weights.map(|weights| _mm256_madd_epi16(samples, vector(weights)));
            sums = [_mm256_add_epi32(sums[0], high), _mm256_add_epi32(sums[1], low)];
        }
        _mm256_add_epi32(_mm256_slli_epi32::<LOW>(sums[0]), sums[1])
    }

    /// Four pixels of their sums, and four bytes that count nothing.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn pixels([a, b, c, d]: [__m256i; 4]) -> [u8; 16] {
        let half = _mm256_set1_epi32(1 << (FRACTION - 1));
        let whole = |first, second| {
            let (lows, highs) =
                (_mm256_permute2x128_si256::<0x20>(first, second), _mm256_permute2x128_si256::<0x31>(first, second));
            _mm256_srai_epi32::<{ FRACTION as i32 }>(_mm256_add_epi32(_mm256_add_epi32(lows, highs), half))
        };
        // Saturated to what 16 bits hold, with a sign, and then to bytes: as a clamp would. Each half has two pixels, a c and b d.
        let pixels = _mm256_packs_epi32(whole(a, b), whole(c, d));
        let pixels = _mm256_packus_epi16(pixels, pixels);
        let pixels = _mm256_permutevar8x32_epi32(pixels, _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5));
        let colours = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
        let pixels = _mm_shuffle_epi8(_mm256_castsi256_si128(pixels), colours);
        // SAFETY: both are 16 bytes, of which any are valid.
        unsafe { transmute::<__m128i, [u8; 16]>(pixels) }
    }

    /// Twelve samples of four pixels, R G B R G B …, as the weights are: two reds, two greens, two blues and two that count nothing, and
    /// again those of the other two pixels.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn in_twos<S: Sample>(samples: &[S]) -> __m256i {
        if size_of::<S>() == 1 {
            let samples: [u8; 16] = std::array::from_fn(|i| samples[i].steps() as u8);
            // SAFETY: both are 16 bytes, of which any are valid.
            let samples = _mm256_broadcastsi128_si256(unsafe { transmute::<[u8; 16], __m128i>(samples) });
            // Each byte and a zero.
            let order = _mm256_setr_epi8(
                0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1,
                -1, -1, -1, -1,
            );
            return _mm256_shuffle_epi8(samples, order);
        }
        let samples: [i16; 16] = std::array::from_fn(|i| samples[i].steps() as i16);
        // Two pixels in each half …
        let samples = _mm256_permutevar8x32_epi32(vector(samples), _mm256_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5));
        // … and in each half, samples of a colour side by side.
        let order = _mm256_setr_epi8(
            0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 12, 13, 14, 15, 0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 12, 13, 14, 15,
        );
        _mm256_shuffle_epi8(samples, order)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn vector(numbers: [i16; 16]) -> __m256i {
        // SAFETY: both are 32 bytes, of which any are valid.
        unsafe { transmute::<[i16; 16], __m256i>(numbers) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoded::Means;
    use crate::sample::Fine;

    /// What comes of a row by both tables.
    fn every_table_is_the_same<S: Sample>() {
        for filter in [Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            for scaled in (1..=20).chain([40, 101, 230]) {
                let scale = 101.0 / scaled as f64;
                let axis = Axis { pixels: 101, means: Means::NONE, scale, first: 0, count: scaled, mirrored: None };
                let mut made = Vec::new();
                // The largest sums above white and below black are those of stripes.
                for mut across in
                    [Across::default(), Across { weights: Weights::Pairs(Vec::new()), ..Across::default() }]
                {
                    across.set::<S>(filter, axis);
                    let mut out = vec![0; scaled * 3];
                    let line: Vec<S> = (0..101 * 3)
                        .map(|i| S::clamped(if i < 150 { i * i % (S::WHITE + 1) } else { i / 6 % 2 * S::WHITE }))
                        .collect();
                    let beyond = vec![S::clamped(S::WHITE); across.beyond()];
                    across.run(&[line, beyond].concat(), &mut out);
                    made.push(out);
                }
                assert_eq!(made[0], made[1], "{filter:?} to {scaled}");
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_pixels() {
        every_table_is_the_same::<u8>();
        every_table_is_the_same::<Fine>();
    }
}
