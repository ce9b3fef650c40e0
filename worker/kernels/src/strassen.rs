//! Pointwise convolutions with seven eighths of the multiplications.
//!
//! Strassen, "Gaussian Elimination is not Optimal", 1969, in Winograd's form of 15 additions: the weights are cut into four
//! quarters, by output and input channels, and so is the image, by input channels and pixels. Seven products of sums of
//! quarters give the eight that the definition takes. Sums of weights are made once; those of the image and of products
//! pass over memory, which pays where a product does much more than that. Once only: every further level has smaller
//! products and larger rounding errors, which after one are about twice those of the direct sum.

use crate::activation::Activation;
use crate::buffer::Buffer;
use crate::convolution::{ConvolutionSpec, Source};
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::panel::{Panel, Panels, Reads, Rows, Run};
use crate::shape::{Shape, Unsupported, Window};
use crate::simd::Simd;
use crate::table::Kernels;

/// Products, each of a map (a sum of quarters of the weights) and an operand (one of quarters of the image).
const PRODUCTS: usize = 7;
/// Channels, and pixels of a strip, from which on it is faster: with fewer channels, sums cost what products save; with fewer
/// pixels, fetching weights does, of which there are seven quarters.
const CHANNELS: usize = 128;
const PIXELS: usize = 96;
/// Floats of a strip's operands, about. Not of the machine's cache: results depend on the strips that an image is cut into,
/// and must not depend on the machine.
const STRIP: usize = 256 * 1024;

/// A convolution with windows of one pixel.
pub(crate) struct Strassen {
    kernels: &'static Kernels,
    input: Shape,
    output: Shape,
    /// Block i stands for block i of both halves of the output.
    panels: Panels,
    activation: Activation,
    /// Pixels that are worked on at a time.
    strip: usize,
    /// Its pixels, and the blocks of the output.
    pixels: Halves,
    blocks: Halves,
}

/// Two halves: both of so many, the second from `second` on. Where the number is odd, they share one in the middle, which is
/// computed twice.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Halves {
    len: usize,
    second: usize,
}

impl Halves {
    fn new(whole: usize) -> Self {
        let len = whole.div_ceil(2);
        Self { len, second: whole - len }
    }
}

/// Some pixels of the image.
struct Strip<'a> {
    first: usize,
    operands: &'a [f32],
    /// Of results.
    bounds: (f32, f32),
}

/// The operands of some pixels of one block of both halves of the input channels.
pub(crate) struct Combine {
    /// The quarters of the image: the pixels of the first half of the channels, then of the second; for each those of the
    /// first half of the pixels, then of the second.
    pub quarters: [[*const f32; 2]; 2],
    /// Operand i goes to `operands + i · stride`.
    pub operands: *mut f32,
    pub stride: usize,
    /// Floats of a quarter.
    pub len: usize,
}

/// Makes the operands, in the order of their products.
///
/// # Safety
/// All addresses that follow from the fields as documented must be valid, `len` must be a multiple of `S::LANES`.
#[inline(always)]
pub(crate) unsafe fn combine<S: Simd>(s: S, op: &Combine) {
    let minus = |a, b| s.fma(b, s.splat(-1.0), a);
    for at in (0..op.len).step_by(S::LANES) {
        // SAFETY: at + LANES ≤ len.
        unsafe {
            let [[b11, b12], [b21, b22]] = op.quarters.map(|half| half.map(|quarter| s.load(quarter.add(at))));
            let difference = minus(b12, b11);
            let rest = minus(b22, difference);
            let values = [b11, b21, rest, minus(b22, b12), difference, b22, minus(rest, b21)];
            for (operand, value) in values.into_iter().enumerate() {
                s.store(op.operands.add(operand * op.stride + at), value);
            }
        }
    }
}

/// The weight of a map, from those of the four quarters for the same pair of channels.
fn weight(map: usize, quarters: [[f32; 2]; 2]) -> f32 {
    let [[a11, a12], [a21, a22]] = quarters.map(|half| half.map(f64::from));
    let sum = match map {
        0 => a11,
        1 => a12,
        2 => a21 + a22 - a11,
        3 => a11 - a21,
        4 => a21 + a22,
        5 => a12 - (a21 + a22 - a11),
        _ => -a22,
    };
    sum as f32
}

/// Pixels of the strips that an image is cut into: all of the same length.
fn strip(image: Shape) -> usize {
    let floats = image.channels * image.pixels() / 4 * PRODUCTS;
    image.pixels().div_ceil(floats.div_ceil(STRIP).max(1))
}

impl Strassen {
    /// Whether this is a convolution that it computes, and faster than the direct sum.
    pub fn suits(spec: &ConvolutionSpec<'_>) -> bool {
        spec.window == Window::pointwise()
            && spec.source == Source::Blocked
            && spec.groups == 1
            && spec.input.channels.is_multiple_of(2 * BLOCK)
            && spec.input.channels.min(spec.outputs) >= CHANNELS
            && strip(spec.input) >= PIXELS
    }

    /// Adds and packs the weights.
    pub fn new(isa: Isa, spec: &ConvolutionSpec<'_>) -> Result<Self, Unsupported> {
        Self::cut(isa, spec, strip(spec.input))
    }

    /// For strips of so many pixels.
    fn cut(isa: Isa, spec: &ConvolutionSpec<'_>, strip: usize) -> Result<Self, Unsupported> {
        let inputs = spec.check()?;
        let ConvolutionSpec { input, outputs, .. } = *spec;
        let output = Shape { channels: outputs, ..input };
        let (pixels, blocks) = (Halves::new(strip), Halves::new(output.blocks()));
        let half = blocks.len * BLOCK;
        let of_half = |lower: bool, output: usize| output + usize::from(lower) * blocks.second * BLOCK;
        // The first product is part of all sums, the fourth of those of the second half.
        let bias = |lower: bool, output: usize| {
            spec.bias.and_then(|bias| bias.get(of_half(lower, output))).copied().unwrap_or(0.0)
        };
        let mut biases = vec![0.0; PRODUCTS * half];
        for output in 0..half {
            biases[output] = bias(false, output);
            biases[3 * half + output] = bias(true, output) - bias(false, output);
        }
        let rows = Rows {
            outputs: half,
            bias: Some(&biases),
            step: Some(BLOCK),
            widest: usize::MAX,
            chunked: true,
            maps: PRODUCTS,
            usual: (pixels.len, 1),
        };
        let reads = |_| {
            let channels = |block: usize| (block * BLOCK..(block + 1) * BLOCK).collect();
            let blocks = 0..input.blocks() / 2;
            blocks.map(|block| Reads { offset: block * pixels.len * BLOCK, columns: channels(block) }).collect()
        };
        let panels = Panels::pack(isa, &rows, reads, |map, output| {
            let row = |lower| spec.weights.get(of_half(lower, output) * inputs..).unwrap_or(&[]);
            let rows = [row(false), row(true)];
            let at = |row: &[f32], column: usize| row.get(column).copied().unwrap_or(0.0);
            move |column: usize| weight(map, rows.map(|row| [at(row, column), at(row, column + inputs / 2)]))
        });
        Ok(Self { kernels: isa.kernels(), input, output, panels, activation: spec.activation, strip, pixels, blocks })
    }

    /// Computes one image; slices have the lengths of the shapes.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32], scratch: &mut Buffer) {
        let operand = self.input.blocks() / 2 * self.pixels.len * BLOCK;
        // Planes of sums are as long as those of the output, because a run has one distance between blocks for both.
        let sum = self.kernels.widest() * self.output.plane();
        let (operands, sums) = scratch.at_least(PRODUCTS * operand + 3 * sum).split_at_mut(PRODUCTS * operand);
        for first in (0..self.output.pixels()).step_by(self.strip) {
            // The last strip is as long as the others; what it shares with the one before is computed twice.
            let first = first.min(self.output.pixels() - self.strip);
            self.operands(input, first, operand, operands);
            // What is added comes before the bounds.
            let bounds = if residual.is_some() { Activation::None } else { self.activation }.clamp();
            let strip = Strip { first, operands, bounds };
            for panel in self.panels.iter() {
                self.multiply(panel, &strip, sums, output);
                if let Some(residual) = residual {
                    self.add_residual(panel, first, residual, output);
                }
            }
        }
        if self.activation.needs_pass() {
            // SAFETY: a blocked image is a whole number of blocks; the tables are of this processor.
            unsafe { (self.kernels.activate)(self.activation, output.as_mut_ptr(), output.len()) };
        }
    }

    /// The operands of a strip, each `operand` floats.
    fn operands(&self, input: &[f32], first: usize, operand: usize, operands: &mut [f32]) {
        let half = input.len() / 2;
        let len = self.pixels.len * BLOCK;
        for block in 0..self.input.blocks() / 2 {
            let at = block * self.input.plane() + first * BLOCK;
            let pixels =
                |from: usize| [0, self.pixels.second * BLOCK].map(|second| input[from + second..][..len].as_ptr());
            let op = Combine {
                quarters: [pixels(at), pixels(half + at)],
                operands: operands[block * len..].as_mut_ptr(),
                stride: operand,
                len,
            };
            // SAFETY: quarters are slices of `len` floats, whole blocks; there are as many operands as products, each with
            // `len` floats for each block. The tables are of this processor.
            unsafe { (self.kernels.combine)(&op) };
        }
    }

    /// A panel of both halves of the output channels.
    fn multiply(&self, panel: &Panel, strip: &Strip<'_>, sums: &mut [f32], output: &mut [f32]) {
        let Strip { first, operands, bounds } = *strip;
        let plane = self.output.plane();
        let quarters = [panel.first_block, self.blocks.second + panel.first_block].map(|block| {
            [0, self.pixels.second].map(|pixel| {
                let at = block * plane + (first + pixel) * BLOCK;
                assert!(at + (panel.blocks - 1) * plane + self.pixels.len * BLOCK <= output.len());
                at
            })
        });
        let operand = operands.len() / PRODUCTS;
        let sum = sums.len() / 3;
        let sums = sums.as_mut_ptr();
        let [a, b, c] = [0, 1, 2].map(|number| sums.wrapping_add(number * sum));
        let output = output.as_mut_ptr();
        let [[c11, c12], [c21, c22]] = quarters.map(|half| half.map(|at| output.wrapping_add(at)));
        let run = |product: usize, residual: *const f32, output: *mut f32, (low, high): (f32, f32)| {
            let run = Run {
                map: product,
                input: operands[product * operand..].as_ptr(),
                offsets: &[],
                residual,
                output,
                block_stride: plane,
                output_step: BLOCK,
                pixels: self.pixels.len,
                activation: Activation::Clamp(low, high),
                turn: (0, 1),
            };
            // SAFETY: an operand has all pixels of a half for all blocks that the maps read. Quarters of the output have
            // them, too, as asserted; so do sums, which are as many planes as the widest panel has blocks. What is added
            // is where the result goes, or lies apart from it.
            unsafe { self.panels.run(panel, &run) };
        };
        let add = |a: *mut f32, b: *mut f32, output: *mut f32, bounds| {
            for at in (0..panel.blocks).map(|block| block * plane) {
                let [a, b, output] = [a, b, output].map(|first| first.wrapping_add(at));
                // SAFETY: as above, block by block; any of the three may be the same.
                unsafe { (self.kernels.add)(a, b, output, self.pixels.len * BLOCK, bounds) };
            }
        };
        let none = Activation::None.clamp();
        // `a` begins as what all four results share, and c11 is done with it.
        run(0, std::ptr::null(), a, none);
        run(1, a, c11, bounds);
        // Now it is what the other three share, and `b` what the lower two do; `c` belongs to those at the right.
        run(2, a, a, none);
        run(3, a, b, none);
        run(4, std::ptr::null(), c, none);
        add(b, c, c22, bounds);
        add(a, c, a, none);
        run(5, a, c12, bounds);
        run(6, b, c21, bounds);
    }

    /// Adds the residual to a strip of a panel of both halves.
    fn add_residual(&self, panel: &Panel, first: usize, residual: &[f32], output: &mut [f32]) {
        let upper = panel.first_block..panel.first_block + panel.blocks;
        let lower = upper.start + self.blocks.second..upper.end + self.blocks.second;
        // A block that both halves have is in both only if there is one panel.
        let lower = lower.start.max(upper.end)..lower.end;
        for block in upper.chain(lower) {
            let strip = block * self.output.plane() + first * BLOCK..;
            let (from, to) = (&residual[strip.clone()][..self.strip * BLOCK], &mut output[strip][..self.strip * BLOCK]);
            let to = to.as_mut_ptr();
            // SAFETY: slices of whole blocks; the tables are of this processor.
            unsafe { (self.kernels.add)(to, from.as_ptr(), to, self.strip * BLOCK, self.activation.clamp()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direct::Direct;

    /// Numbers without a pattern, within ±1.
    fn noise(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + seed * 104_729) * 31 % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    #[test]
    fn halves_that_share_strips_that_overlap_and_what_is_added_once() {
        // Outputs of one panel and of several, an even and an odd number of blocks; strips of all pixels and of some.
        for (outputs, strip) in [(32, 9), (40, 9), (40, 5), (70, 4)] {
            let input = Shape::new(32, 3, 3);
            let (weights, bias) = (noise(outputs * input.channels, 1), noise(outputs, 2));
            let spec = ConvolutionSpec {
                input,
                source: Source::Blocked,
                outputs,
                groups: 1,
                window: Window::pointwise(),
                weights: &weights,
                bias: Some(&bias),
                activation: Activation::Clamp(-2.5, 1.5),
            };
            let image = noise(input.blocked_len(), 3);
            let len = Shape { channels: outputs, ..input }.blocked_len();
            let added = noise(len, 4);
            for isa in Isa::available() {
                let direct = Direct::new(isa, &spec).unwrap();
                let strassen = Strassen::cut(isa, &spec, strip).unwrap();
                for residual in [None, Some(&added[..])] {
                    let (mut expected, mut found) = (vec![0.0; len], vec![f32::NAN; len]);
                    direct.run(&image, residual, &mut expected, &mut Buffer::default());
                    strassen.run(&image, residual, &mut found, &mut Buffer::default());
                    for (at, (expected, found)) in expected.iter().zip(&found).enumerate() {
                        // The rest of a block means nothing.
                        let is_channel = at / input.plane() * BLOCK + at % BLOCK < outputs;
                        let is_near = (expected - found).abs() < 1e-5;
                        assert!(
                            is_near || !is_channel,
                            "{outputs} outputs, strips of {strip}: {found}, not {expected}"
                        );
                    }
                }
            }
        }
    }
}
