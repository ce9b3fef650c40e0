//! Matrix products with a constant right-hand side: classifier heads and transformers.

use crate::activation::Activation;
use crate::buffer::Buffer;
use crate::cache;
use crate::elementwise::activate_with;
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::panel::{Panels, Reads, Rows, Run};
use crate::shape::{Unsupported, check_len};
use crate::table::Kernels;

/// What a product is made from.
#[derive(Debug, Clone, Copy)]
pub struct ProductSpec<'a> {
    /// Columns of the left-hand side.
    pub inputs: usize,
    /// Columns of the result.
    pub outputs: usize,
    /// `inputs` × `outputs`, row by row; the other way round if `transposed`.
    pub weights: &'a [f32],
    /// Whether `weights` has a row for each output.
    pub transposed: bool,
    /// One for each column of the result.
    pub bias: Option<&'a [f32]>,
    /// What comes last.
    pub activation: Activation,
}

/// Rows × constant matrix + bias, all row by row in memory.
pub struct Product {
    kernels: &'static Kernels,
    inputs: usize,
    outputs: usize,
    panels: Panels,
    /// Where each row of a strip starts.
    offsets: Vec<usize>,
    activation: Activation,
}

/// Rows of a strip, at most.
const LONGEST_STRIP: usize = 4096;

impl Product {
    /// Packs the matrix.
    pub fn new(isa: Isa, spec: &ProductSpec<'_>) -> Result<Self, Unsupported> {
        let ProductSpec { inputs, outputs, weights, .. } = *spec;
        if inputs == 0 || outputs == 0 || weights.len() != inputs * outputs {
            return Err(Unsupported::new(format!("{} floats are no {inputs} × {outputs} matrix", weights.len())));
        }
        if let Some(bias) = spec.bias.filter(|bias| bias.len() != outputs) {
            return Err(Unsupported::new(format!("{} biases for {outputs} columns", bias.len())));
        }
        let rows =
            Rows { outputs, bias: spec.bias, step: None, widest: usize::MAX, chunked: false, maps: 1, usual: (1, 1) };
        let reads = |_| vec![Reads { offset: 0, columns: (0..inputs).collect() }];
        let panels = Panels::pack(isa, &rows, reads, |_, output| {
            move |input: usize| {
                if spec.transposed { weights[output * inputs + input] } else { weights[input * outputs + output] }
            }
        });
        let strip = (cache::strip() / inputs).clamp(1, LONGEST_STRIP);
        let offsets = (0..strip).map(|row| row * inputs).collect();
        Ok(Self { kernels: isa.kernels(), inputs, outputs, panels, offsets, activation: spec.activation })
    }

    /// Computes as many rows as `input` has.
    ///
    /// # Panics
    /// If `input` is no whole number of rows, or `output` does not have as many.
    pub fn run(&self, input: &[f32], output: &mut [f32], scratch: &mut Buffer) {
        let rows = input.len() / self.inputs;
        check_len("the left-hand side of a product", input.len(), rows * self.inputs);
        check_len("the result of a product", output.len(), rows * self.outputs);
        let strip = self.offsets.len();
        // Tiles write whole blocks: the last panel, where that would be too wide, goes by way of the scratch.
        let activation = if self.activation.needs_pass() { Activation::None } else { self.activation };
        let scratch = scratch.at_least(strip.min(rows) * self.kernels.widest() * BLOCK);
        let strips = input.chunks(strip * self.inputs).zip(output.chunks_mut(strip * self.outputs));
        for (input, output) in strips {
            let rows = input.len() / self.inputs;
            for panel in self.panels.iter() {
                let columns = panel.first_block * BLOCK..self.outputs.min((panel.first_block + panel.blocks) * BLOCK);
                let fits = columns.len() == panel.blocks * BLOCK;
                let width = if fits { self.outputs } else { panel.blocks * BLOCK };
                let to = if fits { &mut output[columns.start..] } else { &mut scratch[..] };
                let run = Run {
                    map: 0,
                    input: input.as_ptr(),
                    offsets: &self.offsets,
                    residual: std::ptr::null(),
                    output: to.as_mut_ptr(),
                    block_stride: BLOCK,
                    output_step: width,
                    pixels: rows,
                    activation,
                    turn: (0, 1),
                };
                // SAFETY: each "pixel" is a row of `inputs` floats; each row of `to` has room for the panel's blocks:
                // in the output because its columns end within, in the scratch because it was made for the widest.
                unsafe { self.panels.run(panel, &run) };
                if !fits {
                    for (from, to) in scratch.chunks_exact(width).zip(output.chunks_exact_mut(self.outputs)) {
                        to[columns.clone()].copy_from_slice(&from[..columns.len()]);
                    }
                }
            }
            if self.activation.needs_pass() {
                activate_with(self.kernels, self.activation, output);
            }
        }
    }
}
