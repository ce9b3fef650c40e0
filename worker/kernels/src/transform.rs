//! The transforms of Winograd's minimal filtering F(4×4, 3×3), on 16 channels at once.
//!
//! Winograd, "Arithmetic Complexity of Computations", 1980; Lavin & Gray, "Fast Algorithms for Convolutional Neural
//! Networks", 2015, with points that round better, after Barabasz et al., "Error Analysis and Improving the Accuracy of
//! Winograd Convolution for Deep Neural Networks", 2018.

use crate::layout::BLOCK;
use crate::simd::Simd;

/// Pixels of a patch's side: 4 outputs and the border of a 3×3 window.
pub(crate) const PATCH: usize = 6;
/// Output pixels of a patch's side.
pub(crate) const TILE: usize = 4;

/// One row of patches of one block: from pixels to positions.
pub(crate) struct Forward {
    /// The first patch's first pixel, and floats from row to row.
    pub input: *const f32,
    pub row: usize,
    pub patches: usize,
    /// Position i of patch p goes to `output + i · position + p · 16`.
    pub output: *mut f32,
    pub position: usize,
}

/// One row of patches of one block: from positions to output pixels.
pub(crate) struct Backward {
    /// Position i of patch p is at `input + i · position + p · 16`.
    pub input: *const f32,
    pub position: usize,
    pub patches: usize,
    /// 16 floats, added to every pixel.
    pub bias: *const f32,
    /// Added at the end; shaped like the output, or null.
    pub residual: *const f32,
    /// The first patch's first pixel, and floats from row to row.
    pub output: *mut f32,
    pub row: usize,
    /// Rows and pixels that the image has from there on; patches may reach further.
    pub height: usize,
    pub width: usize,
    /// Results are kept within these bounds.
    pub low: f32,
    pub high: f32,
}

/// Bᵀ d B for each patch.
///
/// # Safety
/// All addresses that follow from the fields as documented must be valid.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "rows and columns of a small square, taken both ways")]
pub(crate) unsafe fn forward<S: Simd>(s: S, op: &Forward) {
    for patch in 0..op.patches {
        for lane in (0..BLOCK).step_by(S::LANES) {
            let mut half = [[s.splat(0.0); PATCH]; PATCH];
            // SAFETY: pixels of the patch and its positions, which the caller grants.
            unsafe {
                let from = op.input.add(patch * TILE * BLOCK + lane);
                for (y, half) in half.iter_mut().enumerate() {
                    let mut d = [s.splat(0.0); PATCH];
                    for (x, d) in d.iter_mut().enumerate() {
                        *d = s.load(from.add(y * op.row + x * BLOCK));
                    }
                    *half = spread(s, d);
                }
                let to = op.output.add(patch * BLOCK + lane);
                for x in 0..PATCH {
                    let column = spread(s, [half[0][x], half[1][x], half[2][x], half[3][x], half[4][x], half[5][x]]);
                    for (y, value) in column.into_iter().enumerate() {
                        s.store(to.add((y * PATCH + x) * op.position), value);
                    }
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
    for patch in 0..op.patches {
        let size = [op.height, op.width - patch * TILE];
        // SAFETY: a patch of the row, and pixels that the image has.
        unsafe {
            // Most patches are whole, and what is known to be whole needs no memory in between.
            if size.iter().all(|&side| side >= TILE) {
                backward_patch(s, op, patch, [TILE; 2]);
            } else {
                backward_patch(s, op, patch, size);
            }
        }
    }
}

/// For a patch of which the image has so many rows and columns.
///
/// # Safety
/// As [`backward`], and those are pixels of the image.
#[inline(always)]
unsafe fn backward_patch<S: Simd>(s: S, op: &Backward, patch: usize, [height, width]: [usize; 2]) {
    let (low, high) = (s.splat(op.low), s.splat(op.high));
    for lane in (0..BLOCK).step_by(S::LANES) {
        let mut half = [[s.splat(0.0); PATCH]; TILE];
        // SAFETY: positions of the patch, and its pixels that the image has: the caller grants both.
        unsafe {
            let from = op.input.add(patch * BLOCK + lane);
            for x in 0..PATCH {
                let mut m = [s.splat(0.0); PATCH];
                for (y, m) in m.iter_mut().enumerate() {
                    *m = s.load(from.add((y * PATCH + x) * op.position));
                }
                let column = gather(s, m);
                for (half, value) in half.iter_mut().zip(column) {
                    half[x] = value;
                }
            }
            let bias = s.load(op.bias.add(lane));
            for (y, row) in half.iter().enumerate().take(height) {
                for (x, value) in gather(s, *row).into_iter().enumerate().take(width) {
                    let at = y * op.row + (patch * TILE + x) * BLOCK + lane;
                    let mut value = s.add(value, bias);
                    if !op.residual.is_null() {
                        value = s.add(value, s.load(op.residual.add(at)));
                    }
                    s.store(op.output.add(at), s.min(high, s.max(low, value)));
                }
            }
        }
    }
}

/// The points besides 0 and infinity are ±A and ±B. Symmetrical ones need half of the additions; these two keep the
/// rounding error at 1.5 times that of the direct sum (the usual 1 and 2: 5 times), and all their powers that occur are
/// exact.
const A: f32 = 0.75;
const B: f32 = 1.5;

/// Bᵀ d.
#[inline(always)]
fn spread<S: Simd>(s: S, d: [S::V; PATCH]) -> [S::V; PATCH] {
    let (even_a, odd_a) = (s.fma(d[2], s.splat(-B * B), d[4]), s.fma(d[1], s.splat(-B * B), d[3]));
    let (even_b, odd_b) = (s.fma(d[2], s.splat(-A * A), d[4]), s.fma(d[1], s.splat(-A * A), d[3]));
    let (product, sum) = (s.splat(A * A * B * B), s.splat(-(A * A + B * B)));
    [
        s.fma(d[0], product, s.fma(d[2], sum, d[4])),
        s.fma(odd_a, s.splat(A), even_a),
        s.fma(odd_a, s.splat(-A), even_a),
        s.fma(odd_b, s.splat(B), even_b),
        s.fma(odd_b, s.splat(-B), even_b),
        s.fma(d[1], product, s.fma(d[3], sum, d[5])),
    ]
}

/// Aᵀ m.
#[inline(always)]
fn gather<S: Simd>(s: S, m: [S::V; PATCH]) -> [S::V; TILE] {
    let minus = |a, b| s.fma(b, s.splat(-1.0), a);
    let (sum_a, difference_a) = (s.add(m[1], m[2]), minus(m[1], m[2]));
    let (sum_b, difference_b) = (s.add(m[3], m[4]), minus(m[3], m[4]));
    let join = |a, of_a, b, of_b| s.fma(of_b, s.splat(b), s.mul(of_a, s.splat(a)));
    [
        s.add(m[0], s.add(sum_a, sum_b)),
        join(A, difference_a, B, difference_b),
        join(A * A, sum_a, B * B, sum_b),
        s.add(m[5], join(A * A * A, difference_a, B * B * B, difference_b)),
    ]
}

/// G g Gᵀ of a 3×3 filter, in double precision.
pub(crate) fn filter(g: [f64; 9]) -> [f64; PATCH * PATCH] {
    let (a, b) = (f64::from(A), f64::from(B));
    let row = |point: f64, scale: f64| [1.0 / scale, point / scale, point * point / scale];
    let (scale_a, scale_b) = (2.0 * a * a * (a * a - b * b), 2.0 * b * b * (b * b - a * a));
    let matrix = [
        row(0.0, a * a * b * b),
        row(a, scale_a),
        row(-a, scale_a),
        row(b, scale_b),
        row(-b, scale_b),
        [0.0, 0.0, 1.0],
    ];
    // Rows first: half of the work, of which loading a model has much.
    let dot = |row: [f64; 3], values: [f64; 3]| row[0] * values[0] + row[1] * values[1] + row[2] * values[2];
    let columns: [[f64; 3]; PATCH] =
        std::array::from_fn(|y| std::array::from_fn(|x| dot(matrix[y], [g[x], g[3 + x], g[6 + x]])));
    std::array::from_fn(|i| dot(matrix[i % PATCH], columns[i / PATCH]))
}
