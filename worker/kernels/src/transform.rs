//! The transforms of Winograd's minimal filtering F(4×4, 3×3), and of F(3×3, 3×3) where fours do not fit, on 16 channels at
//! once.
//!
//! Winograd, "Arithmetic Complexity of Computations", 1980; Lavin & Gray, "Fast Algorithms for Convolutional Neural
//! Networks", 2015, with points that round better, after Barabasz et al., "Error Analysis and Improving the Accuracy of
//! Winograd Convolution for Deep Neural Networks", 2018.
//!
//! A patch's side becomes as many values as it has input pixels, one for each point at which a polynomial is evaluated. Six
//! points give four output pixels, five of them give three. The transformed filter depends on its point alone but for a
//! factor, which the forward transform of the five takes over: so both sizes share their filters.

use crate::layout::BLOCK;
use crate::simd::Simd;

/// Output pixels of the side of a patch, whole or short.
pub(crate) const WHOLE: usize = 4;
pub(crate) const SHORT: usize = 3;
/// Input pixels that a window of three needs besides.
pub(crate) const BESIDES: usize = 2;
/// Points of a side; short ones have all but the last.
pub(crate) const POINTS: usize = WHOLE + BESIDES;

/// How a side of an image is cut into patches: whole ones first, short ones after them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Side {
    pub patches: usize,
    pub whole: usize,
}

impl Side {
    /// As few patches as can be. Six pixels and more are always a sum of fours and threes.
    pub fn new(pixels: usize) -> Self {
        assert!(pixels >= 2 * SHORT, "{pixels} pixels are not cut into patches");
        let patches = pixels.div_ceil(WHOLE);
        Self { patches, whole: pixels - patches * SHORT }
    }

    /// The first output pixel of a patch.
    pub fn start(self, patch: usize) -> usize {
        patch * SHORT + patch.min(self.whole)
    }

    /// How many patches have a point.
    pub fn having(self, point: usize) -> usize {
        if point < SHORT + BESIDES { self.patches } else { self.whole }
    }

    /// At most so many patches, from `first` on.
    pub fn part(self, first: usize, most: usize) -> Self {
        let patches = most.min(self.patches - first);
        Self { patches, whole: self.whole.saturating_sub(first).min(patches) }
    }
}

/// Where the values of a row of patches of one block are: those for points y and x of patch p, 16 floats each, `p · 16`
/// floats after `first[x == POINTS - 1] + (y · POINTS + x) · point`. For the last point, the row has whole patches only.
pub(crate) struct Values<P> {
    pub first: [P; 2],
    pub point: usize,
}

impl<P: Copy> Values<P> {
    /// Where a patch's values for the points y = 0 and x begin.
    #[inline(always)]
    fn column(&self, x: usize) -> (P, usize) {
        (self.first[usize::from(x == POINTS - 1)], x * self.point)
    }
}

/// One row of patches of one block: from pixels to values.
pub(crate) struct Forward {
    /// The first patch's first pixel, and floats from row to row.
    pub input: *const f32,
    pub row: usize,
    /// Output pixels of each patch's height.
    pub height: usize,
    pub columns: Side,
    pub values: Values<*mut f32>,
}

/// One row of patches of one block: from values to output pixels.
pub(crate) struct Backward {
    pub values: Values<*const f32>,
    /// Output pixels of each patch's height.
    pub height: usize,
    pub columns: Side,
    /// 16 floats, added to every pixel.
    pub bias: *const f32,
    /// Added at the end; shaped like the output, or null.
    pub residual: *const f32,
    /// The first patch's first pixel, and floats from row to row.
    pub output: *mut f32,
    pub row: usize,
    /// Results are kept within these bounds.
    pub low: f32,
    pub high: f32,
}

/// Calls what is compiled for the size of a patch of a row.
macro_rules! of_its_size {
    ($function:ident, $s:ident, $op:ident, $patch:ident) => {
        match ($op.height, $patch < $op.columns.whole) {
            (WHOLE, true) => $function::<S, WHOLE, WHOLE>($s, $op, $patch),
            (WHOLE, false) => $function::<S, WHOLE, SHORT>($s, $op, $patch),
            (_, true) => $function::<S, SHORT, WHOLE>($s, $op, $patch),
            (_, false) => $function::<S, SHORT, SHORT>($s, $op, $patch),
        }
    };
}

/// Bᵀ d B for each patch.
///
/// # Safety
/// All addresses that follow from the fields as documented must be valid.
#[inline(always)]
pub(crate) unsafe fn forward<S: Simd>(s: S, op: &Forward) {
    for patch in 0..op.columns.patches {
        // SAFETY: a patch of the row, of its size.
        unsafe { of_its_size!(forward_patch, s, op, patch) };
    }
}

/// For one patch of `H`×`W` output pixels.
///
/// # Safety
/// As [`forward`], and the patch must be one of the row.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "rows and columns of a small square, taken both ways")]
unsafe fn forward_patch<S: Simd, const H: usize, const W: usize>(s: S, op: &Forward, patch: usize) {
    for lane in (0..BLOCK).step_by(S::LANES) {
        let mut half = [[s.splat(0.0); POINTS]; POINTS];
        // SAFETY: pixels of the patch and its values, which the caller grants.
        unsafe {
            let from = op.input.add(op.columns.start(patch) * BLOCK + lane);
            for y in 0..H + BESIDES {
                let mut d = [s.splat(0.0); POINTS];
                for x in 0..W + BESIDES {
                    d[x] = s.load(from.add(y * op.row + x * BLOCK));
                }
                half[y] = spread::<S, W>(s, d);
            }
            for x in 0..W + BESIDES {
                let (first, column) = op.values.column(x);
                let to = first.add(column + patch * BLOCK + lane);
                let values =
                    spread::<S, H>(s, [half[0][x], half[1][x], half[2][x], half[3][x], half[4][x], half[5][x]]);
                for y in 0..H + BESIDES {
                    s.store(to.add(y * POINTS * op.values.point), values[y]);
                }
            }
        }
    }
}

/// Aᵀ m A for each patch, bias, residual and clamp.
///
/// # Safety
/// As [`forward`].
#[inline(always)]
pub(crate) unsafe fn backward<S: Simd>(s: S, op: &Backward) {
    for patch in 0..op.columns.patches {
        // SAFETY: a patch of the row, of its size.
        unsafe { of_its_size!(backward_patch, s, op, patch) };
    }
}

/// For one patch of `H`×`W` output pixels.
///
/// # Safety
/// As [`backward`], and the patch must be one of the row.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "rows and columns of a small square, taken both ways")]
unsafe fn backward_patch<S: Simd, const H: usize, const W: usize>(s: S, op: &Backward, patch: usize) {
    let (low, high) = (s.splat(op.low), s.splat(op.high));
    for lane in (0..BLOCK).step_by(S::LANES) {
        let mut half = [[s.splat(0.0); POINTS]; WHOLE];
        // SAFETY: values of the patch, and its pixels: the caller grants both.
        unsafe {
            for x in 0..W + BESIDES {
                let (first, column) = op.values.column(x);
                let from = first.add(column + patch * BLOCK + lane);
                let mut m = [s.splat(0.0); POINTS];
                for y in 0..H + BESIDES {
                    m[y] = s.load(from.add(y * POINTS * op.values.point));
                }
                let rows = gather::<S, H>(s, m);
                for y in 0..H {
                    half[y][x] = rows[y];
                }
            }
            let bias = s.load(op.bias.add(lane));
            for y in 0..H {
                let pixels = gather::<S, W>(s, half[y]);
                for x in 0..W {
                    let at = y * op.row + (op.columns.start(patch) + x) * BLOCK + lane;
                    let mut value = s.add(pixels[x], bias);
                    if !op.residual.is_null() {
                        value = s.add(value, s.load(op.residual.add(at)));
                    }
                    s.store(op.output.add(at), s.min(high, s.max(low, value)));
                }
            }
        }
    }
}

/// The points are 0, ±A, B, infinity and, for whole patches, -B. Symmetrical ones need half of the additions; these keep the
/// rounding error at 1.5 times that of the direct sum (the usual 1 and 2: 5 times), and all their powers that occur are
/// exact.
const A: f32 = 0.75;
const B: f32 = 1.5;

/// Bᵀ d, of a patch's side of `SIDE` output pixels; a short one's last values mean nothing.
#[inline(always)]
fn spread<S: Simd, const SIDE: usize>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
    let times = |factor, v, plus| s.fma(v, s.splat(factor), plus);
    if SIDE == WHOLE {
        let (even_a, odd_a) = (times(-B * B, d[2], d[4]), times(-B * B, d[1], d[3]));
        let (even_b, odd_b) = (times(-A * A, d[2], d[4]), times(-A * A, d[1], d[3]));
        let ends = |d: [S::V; 3]| times(A * A * B * B, d[0], times(-(A * A + B * B), d[1], d[2]));
        [
            ends([d[0], d[2], d[4]]),
            times(A, odd_a, even_a),
            times(-A, odd_a, even_a),
            times(B, odd_b, even_b),
            ends([d[1], d[3], d[5]]),
            times(-B, odd_b, even_b),
        ]
    } else {
        // Filters are divided by the distance of their point from -B as well, which this multiplies by: B, A + B, B - A and 2B.
        let (low, high) = (times(-A * A, d[0], d[2]), times(-A * A, d[1], d[3]));
        let middle = s.mul(d[2], s.splat(A * A - B * B));
        [
            s.mul(times(-B, low, high), s.splat(B)),
            times(A + B, times(-A * B, d[1], d[3]), middle),
            times(B - A, times(A * B, d[1], d[3]), middle),
            s.mul(high, s.splat(2.0 * B)),
            times(-B, high, times(-A * A, d[2], d[4])),
            s.splat(0.0),
        ]
    }
}

/// Aᵀ m, likewise.
#[inline(always)]
fn gather<S: Simd, const SIDE: usize>(s: S, m: [S::V; POINTS]) -> [S::V; WHOLE] {
    let minus = |a, b| s.fma(b, s.splat(-1.0), a);
    let join = |a, of_a, b, of_b| s.fma(of_b, s.splat(b), s.mul(of_a, s.splat(a)));
    let (sum_a, difference_a) = (s.add(m[1], m[2]), minus(m[1], m[2]));
    if SIDE == WHOLE {
        let (sum_b, difference_b) = (s.add(m[3], m[5]), minus(m[3], m[5]));
        [
            s.add(m[0], s.add(sum_a, sum_b)),
            join(A, difference_a, B, difference_b),
            join(A * A, sum_a, B * B, sum_b),
            s.add(m[4], join(A * A * A, difference_a, B * B * B, difference_b)),
        ]
    } else {
        [
            s.add(m[0], s.add(sum_a, m[3])),
            join(A, difference_a, B, m[3]),
            s.add(m[4], join(A * A, sum_a, B * B, m[3])),
            s.splat(0.0),
        ]
    }
}

/// G g Gᵀ of a 3×3 filter, in double precision.
pub(crate) fn filter(g: [f64; 9]) -> [f64; POINTS * POINTS] {
    let (a, b) = (f64::from(A), f64::from(B));
    let row = |point: f64, scale: f64| [1.0 / scale, point / scale, point * point / scale];
    let (scale_a, scale_b) = (2.0 * a * a * (a * a - b * b), 2.0 * b * b * (b * b - a * a));
    let matrix = [
        row(0.0, a * a * b * b),
        row(a, scale_a),
        row(-a, scale_a),
        row(b, scale_b),
        [0.0, 0.0, 1.0],
        row(-b, scale_b),
    ];
    // Rows first: half of the work, of which loading a model has much.
    let dot = |row: [f64; 3], values: [f64; 3]| row[0] * values[0] + row[1] * values[1] + row[2] * values[2];
    let columns: [[f64; 3]; POINTS] =
        std::array::from_fn(|y| std::array::from_fn(|x| dot(matrix[y], [g[x], g[3 + x], g[6 + x]])));
    std::array::from_fn(|i| dot(matrix[i % POINTS], columns[i / POINTS]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fours_and_threes_cover_any_side() {
        for pixels in 6..200 {
            let side = Side::new(pixels);
            assert!(side.patches - side.whole <= 3, "{pixels}");
            assert_eq!(side.start(side.patches), pixels);
            assert_eq!(side.start(side.whole), side.whole * WHOLE);
        }
        let side = Side::new(13);
        assert_eq!((side.patches, side.whole), (4, 1));
        assert_eq!([0, 1, 2, 3].map(|patch| side.start(patch)), [0, 4, 7, 10]);
        assert_eq!(
            [0, 1].map(|first| side.part(first, 2)),
            [Side { patches: 2, whole: 1 }, Side { patches: 2, whole: 0 }]
        );
        assert_eq!(side.part(3, 2), Side { patches: 1, whole: 0 });
    }
}
