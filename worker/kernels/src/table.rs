//! The kernels compiled once for each instruction set, as tables of functions: the code that walks over images is
//! ordinary Rust and compiled once.

use crate::activation::{Activation, activate};
use crate::fold::{Rows, fold};
use crate::lanes::{add, mean, scale};
use crate::layout::BLOCK;
use crate::pairs;
use crate::shape::Window;
use crate::strassen::{Combine, combine};
use crate::tile::{Tiles, tiles};
use crate::transform::{Backward, Forward, backward, forward};

pub(crate) type TileKernel = unsafe fn(&Tiles);
pub(crate) type RowKernel = unsafe fn(&Rows);

/// Everything that depends on the instruction set.
pub(crate) struct Kernels {
    pub name: &'static str,
    /// Tiles for half a block of output channels, a block, and more; each as in [`STEPS`], and of those by pixels (one
    /// less). There are as many blocks and pixels as fit into the registers.
    tiles: &'static [[&'static [TileKernel]; STEPS.len()]],
    /// Tiles of one and a half blocks, where they are of use.
    pairs: Option<&'static [&'static [TileKernel]; STEPS.len()]>,
    /// Rows that sum and rows that take the maximum, each as in [`ROWS`].
    rows: [[RowKernel; ROWS.len()]; 2],
    pub activate: unsafe fn(Activation, *mut f32, usize),
    pub add: unsafe fn(*const f32, *const f32, *mut f32, usize, (f32, f32)),
    pub scale: unsafe fn(*mut f32, *const f32, usize),
    pub mean: unsafe fn(*const f32, *mut f32, usize),
    pub forward: unsafe fn(&Forward),
    pub backward: unsafe fn(&Backward),
    pub combine: unsafe fn(&Combine),
    /// Whether this processor has the instructions.
    supported: fn() -> bool,
}

/// The pixel steps that tiles are compiled for: any, planar with stride 2, blocked with strides 1 and 2.
const STEPS: [usize; 4] = [0, 2, 16, 32];

/// The sides of square windows and the horizontal strides that rows are compiled for: any, and the common ones.
const ROWS: [(usize, usize); 6] = [(0, 0), (2, 2), (3, 1), (3, 2), (5, 1), (5, 2)];

impl Kernels {
    /// Blocks of output channels in the widest tile.
    pub fn widest(&self) -> usize {
        self.tiles.len() - 1
    }

    /// Whether tiles are compiled for pixels `step` floats apart.
    pub fn knows(step: usize) -> bool {
        STEPS[1..].contains(&step)
    }

    /// The tiles of `channels` output channels (half a block, whole blocks, or one and a half if there are such) for pixels `step`
    /// floats apart, or anywhere; entry p computes p + 1 pixels.
    pub fn tiles(&self, channels: usize, step: Option<usize>) -> &'static [TileKernel] {
        let tiles = if channels == pairs::WIDTH { self.pairs } else { self.tiles.get(channels / BLOCK) };
        let known = step.and_then(|step| STEPS.iter().position(|known| *known == step));
        tiles.expect("a width of a tile")[known.unwrap_or(0)]
    }

    /// Whether there are tiles of one and a half blocks.
    pub fn has_pairs(&self) -> bool {
        self.pairs.is_some()
    }

    /// Pixels of the longest tile of the widest panel.
    pub fn longest(&self) -> usize {
        self.tiles(self.widest() * BLOCK, None).len()
    }

    /// The row kernel for a window.
    pub fn row(&self, maximum: bool, window: Window) -> RowKernel {
        let Window { kernel: [height, width], stride: [_, stride], dilation: [_, dilation], .. } = window;
        let known = ROWS.iter().position(|row| dilation == 1 && height == width && *row == (width, stride));
        self.rows[usize::from(maximum)][known.unwrap_or(0)]
    }
}

/// The tables of this processor, fastest first.
pub(crate) fn supported() -> Vec<&'static Kernels> {
    let all: &[&Kernels] = &[
        #[cfg(target_arch = "x86_64")]
        &avx512::KERNELS,
        #[cfg(target_arch = "x86_64")]
        &avx2::KERNELS,
        #[cfg(target_arch = "aarch64")]
        &neon::KERNELS,
        &portable::KERNELS,
    ];
    all.iter().copied().filter(|kernels| (kernels.supported)()).collect()
}

/// A module with the kernels of one instruction set: `$token` makes the proof inside functions that have the
/// `$feature`; one tile table for each entry of `vectors => pixels`.
macro_rules! instruction_set {
    (
        $module:ident, $simd:ty, $token:expr, $supported:expr, [$($feature:meta)?],
        half: ($half:ty, $half_token:expr), $half_vectors:literal => $half_pixels:tt,
        pairs: $pairs:expr,
        $($vectors:literal => $pixels:tt),*
    ) => {
        mod $module {
            use super::*;

            pub(super) static KERNELS: Kernels = Kernels {
                name: stringify!($module),
                tiles: &[
                    tiles!(half_tile, $half_pixels, $half_vectors),
                    $(tiles!(whole_tile, $pixels, $vectors)),*
                ],
                pairs: $pairs,
                rows: [
                    [row::<0, 0, false>, row::<2, 2, false>, row::<3, 1, false>, row::<3, 2, false>,
                     row::<5, 1, false>, row::<5, 2, false>],
                    [row::<0, 0, true>, row::<2, 2, true>, row::<3, 1, true>, row::<3, 2, true>,
                     row::<5, 1, true>, row::<5, 2, true>],
                ],
                activate: each_value,
                add: each_sum,
                scale: each_channel,
                mean: each_mean,
                forward: each_forward,
                backward: each_backward,
                combine: each_quarter,
                supported: $supported,
            };

            /// # Safety
            /// As `tiles`, and the processor must have the instructions.
            $(#[$feature])?
            unsafe fn whole_tile<const P: usize, const N: usize, const STEP: usize>(operands: &Tiles) {
                // SAFETY: passed on; tables are only used where `supported` said so.
                unsafe { tiles::<$simd, P, N, STEP>($token, operands) }
            }

            /// # Safety
            /// As `tiles`, and the processor must have the instructions.
            $(#[$feature])?
            unsafe fn half_tile<const P: usize, const N: usize, const STEP: usize>(operands: &Tiles) {
                // SAFETY: as above.
                unsafe { tiles::<$half, P, N, STEP>($half_token, operands) }
            }

            /// # Safety
            /// As `fold`, and the processor must have the instructions.
            $(#[$feature])?
            unsafe fn row<const K: usize, const STRIDE: usize, const MAX: bool>(operands: &Rows) {
                // SAFETY: as above.
                unsafe { fold::<$simd, K, STRIDE, MAX>($token, operands) }
            }

            /// # Safety
            /// As `activate`, and the processor must have the instructions.
            $(#[$feature])?
            unsafe fn each_value(activation: Activation, values: *mut f32, len: usize) {
                // SAFETY: as above.
                unsafe { activate::<$simd>($token, activation, values, len) }
            }

            /// # Safety
            /// As `add`, and the processor must have the instructions.
            $(#[$feature])?
            unsafe fn each_sum(a: *const f32, b: *const f32, out: *mut f32, len: usize, bounds: (f32, f32)) {
                // SAFETY: as above.
                unsafe { add::<$simd>($token, a, b, out, len, bounds) }
            }

            /// # Safety
            /// As `scale`, and the processor must have the instructions.
            $(#[$feature])?
            unsafe fn each_channel(image: *mut f32, factors: *const f32, pixels: usize) {
                // SAFETY: as above.
                unsafe { scale::<$simd>($token, image, factors, pixels) }
            }

            /// # Safety
            /// As `mean`, and the processor must have the instructions.
            $(#[$feature])?
            unsafe fn each_mean(image: *const f32, out: *mut f32, pixels: usize) {
                // SAFETY: as above.
                unsafe { mean::<$simd>($token, image, out, pixels) }
            }

            /// # Safety
            /// As `forward`, and the processor must have the instructions.
            $(#[$feature])?
            unsafe fn each_forward(operands: &Forward) {
                // SAFETY: as above.
                unsafe { forward::<$simd>($token, operands) }
            }

            /// # Safety
            /// As `backward`, and the processor must have the instructions.
            $(#[$feature])?
            unsafe fn each_backward(operands: &Backward) {
                // SAFETY: as above.
                unsafe { backward::<$simd>($token, operands) }
            }

            /// # Safety
            /// As `combine`, and the processor must have the instructions.
            $(#[$feature])?
            unsafe fn each_quarter(operands: &Combine) {
                // SAFETY: as above.
                unsafe { combine::<$simd>($token, operands) }
            }
        }
    };
}

macro_rules! tiles {
    ($kernel:ident, $pixels:tt, $vectors:literal) => {
        [
            tiles!($kernel, $pixels, $vectors, 0),
            tiles!($kernel, $pixels, $vectors, 2),
            tiles!($kernel, $pixels, $vectors, 16),
            tiles!($kernel, $pixels, $vectors, 32),
        ]
    };
    ($kernel:ident, [$($pixels:literal)*], $vectors:literal, $step:literal) => {
        &[$($kernel::<$pixels, $vectors, $step>),*]
    };
}

#[cfg(target_arch = "x86_64")]
instruction_set!(avx512, crate::simd::Avx512, crate::simd::Avx512::new(), 
    || is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl"),
    [target_feature(enable = "avx512f,avx512vl")],
    half: (crate::simd::Avx2, crate::simd::Avx2::new()), 1 => [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    pairs: Some(&in_pairs::TILES),
    1 => [1 2 3 4 5 6 7 8 9 10 11 12 13 14], 2 => [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);
#[cfg(target_arch = "x86_64")]
instruction_set!(avx2, crate::simd::Avx2, crate::simd::Avx2::new(),
    || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
    [target_feature(enable = "avx2,fma")],
    half: (crate::simd::Avx2, crate::simd::Avx2::new()), 1 => [1 2 3 4 5 6 7 8 9 10 11 12],
    pairs: None,
    2 => [1 2 3 4 5 6]);
#[cfg(target_arch = "aarch64")]
instruction_set!(neon, crate::simd::Neon, crate::simd::Neon, || true, [],
    half: (crate::simd::Neon, crate::simd::Neon), 2 => [1 2 3 4 5 6 7 8 9 10 11 12], pairs: None, 4 => [1 2 3 4 5 6]);
instruction_set!(portable, crate::simd::Portable, crate::simd::Portable, || true, [],
    half: (crate::simd::Portable, crate::simd::Portable), 2 => [1 2 3 4], pairs: None, 4 => [1 2]);

/// Tiles of one and a half blocks for AVX-512.
#[cfg(target_arch = "x86_64")]
mod in_pairs {
    use super::*;

    pub(super) static TILES: [&[TileKernel]; STEPS.len()] = tiles!(pair_tile, [1 2 3 4 5 6 7 8 9], 0);

    /// # Safety
    /// As `pairs::tiles`, and the processor must have AVX-512F.
    #[target_feature(enable = "avx512f,avx512vl")]
    unsafe fn pair_tile<const P: usize, const N: usize, const STEP: usize>(operands: &Tiles) {
        // SAFETY: passed on; the table is part of one that is only used where the processor has AVX-512.
        unsafe { pairs::tiles::<crate::simd::Avx512, P, STEP>(crate::simd::Avx512::new(), operands) }
    }
}
