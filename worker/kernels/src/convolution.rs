//! The convolution as the other crates see it, and the choice of how it runs.

use crate::activation::Activation;
use crate::buffer::Buffer;
use crate::direct::Direct;
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::shape::{Shape, Unsupported, Window, check_len};
use crate::strassen::Strassen;
use crate::winograd::Winograd;

/// The layout of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Blocks of 16 channels.
    Blocked,
    /// Plane after plane; for the first convolution, whose channels would not fill a block.
    Planar,
}

impl Source {
    /// Floats of a pixel in one plane.
    pub(crate) fn unit(self) -> usize {
        match self {
            Self::Blocked => BLOCK,
            Self::Planar => 1,
        }
    }

    /// Planes of an image.
    pub(crate) fn planes(self, shape: Shape) -> usize {
        match self {
            Self::Blocked => shape.blocks(),
            Self::Planar => shape.channels,
        }
    }
}

/// What a convolution is made from.
#[derive(Debug, Clone, Copy)]
pub struct ConvolutionSpec<'a> {
    /// The input.
    pub input: Shape,
    /// The layout of the input; the output is always blocked.
    pub source: Source,
    /// Output channels.
    pub outputs: usize,
    /// Output channels of group g read the input channels of group g only.
    pub groups: usize,
    /// The window.
    pub window: Window,
    /// `outputs` × (input channels / groups) × taps, as ONNX has them.
    pub weights: &'a [f32],
    /// One for each output channel.
    pub bias: Option<&'a [f32]>,
    /// What comes last.
    pub activation: Activation,
}

impl ConvolutionSpec<'_> {
    /// Input channels × taps of a group, if all sizes belong together.
    pub(crate) fn check(&self) -> Result<usize, Unsupported> {
        let Self { input, outputs, groups, window, .. } = *self;
        if groups == 0 || outputs == 0 || input.channels == 0 || input.channels % groups + outputs % groups != 0 {
            let channels = input.channels;
            return Err(Unsupported::new(format!("{channels} to {outputs} channels do not fall into {groups} groups")));
        }
        let columns = input.channels / groups * window.taps();
        if self.weights.len() != outputs * columns {
            let (actual, expected) = (self.weights.len(), outputs * columns);
            return Err(Unsupported::new(format!("a convolution has {actual} weights, its shape needs {expected}")));
        }
        if let Some(bias) = self.bias.filter(|bias| bias.len() != outputs) {
            return Err(Unsupported::new(format!("{} biases for {outputs} output channels", bias.len())));
        }
        Ok(columns)
    }
}

/// A convolution with bias, residual and activation, packed for one instruction set and one input shape.
pub struct Convolution {
    input_len: usize,
    output: Shape,
    way: Way,
}

enum Way {
    Direct(Box<Direct>),
    Winograd(Box<Winograd>),
    Strassen(Box<Strassen>),
}

impl Convolution {
    /// Packs the weights.
    pub fn new(isa: Isa, spec: &ConvolutionSpec<'_>) -> Result<Self, Unsupported> {
        let way = if Winograd::suits(spec) {
            Way::Winograd(Box::new(Winograd::new(isa, spec)?))
        } else if Strassen::suits(spec) {
            Way::Strassen(Box::new(Strassen::new(isa, spec)?))
        } else {
            Way::Direct(Box::new(Direct::new(isa, spec)?))
        };
        let [height, width] = spec.window.output(spec.input.height, spec.input.width)?;
        let input_len = spec.source.planes(spec.input) * spec.input.pixels() * spec.source.unit();
        Ok(Self { input_len, output: Shape::new(spec.outputs, height, width), way })
    }

    /// The output; blocked.
    pub fn output(&self) -> Shape {
        self.output
    }

    /// How it runs, for tables of measurements: `direct`, `winograd` or `strassen`.
    pub fn way(&self) -> &'static str {
        match self.way {
            Way::Direct(_) => "direct",
            Way::Winograd(_) => "winograd",
            Way::Strassen(_) => "strassen",
        }
    }

    /// Floats of the input, in its layout.
    pub fn input_len(&self) -> usize {
        self.input_len
    }

    /// Computes one image: `output` (blocked) from `input` (in its layout) and, if there is one, `residual` (blocked,
    /// shaped like the output), which is added before the activation.
    ///
    /// # Panics
    /// If a slice does not have the length that the shapes imply.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32], scratch: &mut Buffer) {
        check_len("the input of a convolution", input.len(), self.input_len);
        check_len("the output of a convolution", output.len(), self.output.blocked_len());
        if let Some(residual) = residual {
            check_len("the residual of a convolution", residual.len(), output.len());
        }
        match &self.way {
            Way::Direct(direct) => direct.run(input, residual, output, scratch),
            Way::Winograd(winograd) => winograd.run(input, residual, output, scratch),
            Way::Strassen(strassen) => strassen.run(input, residual, output, scratch),
        }
    }
}
