//! Makes the kernels of a run: from layers to a program of steps over one piece of memory.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use kernels::{
    Activation, Bottleneck, ChannelMap, Channelwise, Convolution, ConvolutionSpec, DepthwiseSpec, Isa, Shape, Source,
    Sweep, Unsupported, Window,
};
use tract_onnx::prelude::OutletId;

use super::fuse::stays_planar;
use super::layer::{self, Id, Kind, Layer, Swept, Then};
use super::place::place;

/// A run, ready for any number of images; shared by all threads.
pub(crate) struct Program {
    pub isa: Isa,
    /// Values from outside, in the order of the operator's inputs.
    pub inputs: Vec<OutletId>,
    pub steps: Vec<Step>,
    pub outputs: Vec<(Shape, Range<usize>)>,
    /// Floats of all values.
    pub len: usize,
}

/// Writes `to`.
pub(crate) struct Step {
    pub work: Work,
    pub to: Range<usize>,
}

/// What a step does; ranges are where its operands lie.
pub(crate) enum Work {
    /// An input, planar to blocked.
    Import(usize, Shape),
    Convolution {
        op: Arc<Convolution>,
        from: From,
        residual: Option<Range<usize>>,
    },
    Sweep {
        op: Box<Sweep>,
        from: From,
    },
    Bottleneck {
        op: Box<Bottleneck>,
        from: From,
        residual: Option<Range<usize>>,
    },
    Mean {
        shape: Shape,
        from: Range<usize>,
    },
    Activate {
        activation: Activation,
        from: Range<usize>,
    },
    Add {
        from: [Range<usize>; 2],
        activation: Activation,
    },
    Scale {
        shape: Shape,
        from: Range<usize>,
        factors: Range<usize>,
    },
    Channels {
        map: ChannelMap,
        from: Vec<Range<usize>>,
    },
}

/// Where a convolution reads.
pub(crate) enum From {
    /// The planar values of an input.
    Input(usize),
    Memory(Range<usize>),
}

/// The program that computes `outputs`.
pub(crate) fn lower(isa: Isa, layers: &[Layer], outputs: &[Id]) -> Result<Program, Unsupported> {
    let planar: Vec<bool> = (0..layers.len()).map(|id| stays_planar(layers, outputs, id)).collect();
    let places = place(layers, outputs, &planar);
    let mut inputs = Vec::new();
    let mut numbers = vec![None; layers.len()];
    for (id, layer) in layers.iter().enumerate() {
        if let Kind::Input(outlet) = layer.kind {
            numbers[id] = Some(inputs.len());
            inputs.push(outlet);
        }
    }
    let maker =
        Maker { isa, layers, ranges: &places.ranges, planar: &planar, numbers: &numbers, packed: RefCell::default() };
    let mut steps = Vec::new();
    for id in (0..layers.len()).filter(|id| !places.free[*id] && !planar[*id]) {
        steps.push(Step { work: maker.work(id)?, to: places.ranges[id].clone() });
    }
    let outputs = outputs.iter().map(|id| (layers[*id].shape, places.ranges[*id].clone())).collect();
    Ok(Program { isa, inputs, steps, outputs, len: places.len })
}

struct Maker<'a> {
    isa: Isa,
    layers: &'a [Layer],
    ranges: &'a [Range<usize>],
    planar: &'a [bool],
    /// Of each value from outside, its place among the inputs.
    numbers: &'a [Option<usize>],
    /// Convolutions that were packed.
    packed: RefCell<Vec<(Id, Arc<Convolution>)>>,
}

impl Maker<'_> {
    fn work(&self, id: Id) -> Result<Work, Unsupported> {
        let (isa, layer) = (self.isa, &self.layers[id]);
        let range = |number: usize| self.ranges[layer.inputs[number]].clone();
        let input = |number: usize| self.layers[layer.inputs[number]].shape;
        let sweep = |op| Work::Sweep { op: Box::new(Sweep::alone(op)), from: From::Memory(range(0)) };
        Ok(match &layer.kind {
            Kind::Input(_) => Work::Import(self.numbers[id].unwrap_or_default(), layer.shape),
            Kind::Convolution(convolution) if convolution.is_depthwise(input(0)) => {
                sweep(depthwise(isa, input(0), convolution)?)
            }
            Kind::Convolution(convolution) => {
                let residual = layer.inputs.get(1).map(|id| self.ranges[*id].clone());
                Work::Convolution { op: self.packed(id, convolution)?, from: self.from(layer.inputs[0]), residual }
            }
            Kind::Swept(swept) => {
                let Swept { first, middle, then, project } = &**swept;
                let then = match then {
                    Then::Depthwise(convolution) => depthwise(isa, *middle, convolution)?,
                    Then::MaxPool(window) => Channelwise::max_pool(isa, *middle, *window)?,
                };
                let weights = first.weights.values();
                let first = self.spec(layer.inputs[0], first, &weights);
                let from = self.from(layer.inputs[0]);
                match project {
                    None => Work::Sweep { op: Box::new(Sweep::after(isa, &first, then)?), from },
                    Some((hidden, project)) => {
                        let residual = layer.inputs.get(1).map(|id| self.ranges[*id].clone());
                        let weights = project.weights.values();
                        let project = spec(*hidden, Source::Blocked, project, &weights);
                        Work::Bottleneck { op: Box::new(Bottleneck::new(isa, &first, then, &project)?), from, residual }
                    }
                }
            }
            Kind::MaxPool(window) => sweep(Channelwise::max_pool(isa, input(0), *window)?),
            Kind::AveragePool { window, count_padding } => {
                sweep(Channelwise::average_pool(isa, input(0), *window, *count_padding)?)
            }
            Kind::Mean => Work::Mean { shape: input(0), from: range(0) },
            Kind::Activate(activation) => Work::Activate { activation: *activation, from: range(0) },
            Kind::Affine(affine) => {
                let channels = layer.shape.channels;
                let (scale, shift): (Vec<f32>, Vec<f32>) = (0..channels).map(|channel| affine.of(channel)).unzip();
                sweep(one_tap(isa, input(0), [0; 4], &scale, &shift)?)
            }
            Kind::Pad(zeros) => {
                let (ones, nothing) = (vec![1.0; layer.shape.channels], vec![0.0; layer.shape.channels]);
                sweep(one_tap(isa, input(0), *zeros, &ones, &nothing)?)
            }
            Kind::Add(activation) => {
                let mut from = [range(0), range(1)];
                // The sum may lie where either operand was; the kernel adds the second to the first.
                if from[1] == self.ranges[id] {
                    from.swap(0, 1);
                }
                Work::Add { from, activation: *activation }
            }
            Kind::Scale => Work::Scale { shape: layer.shape, from: range(0), factors: range(1) },
            Kind::Channels(sources) => {
                let shapes: Vec<Shape> = layer.inputs.iter().map(|id| self.layers[*id].shape).collect();
                let from = layer.inputs.iter().map(|id| self.ranges[*id].clone()).collect();
                Work::Channels { map: ChannelMap::new(&shapes, sources)?, from }
            }
        })
    }

    /// The kernel of a convolution. Equal ones have one, as in the branches of an image and of its mirror image: their weights are
    /// packed once.
    fn packed(&self, id: Id, convolution: &layer::Convolution) -> Result<Arc<Convolution>, Unsupported> {
        let reads = |id: Id| {
            let input = self.layers[id].inputs[0];
            (self.layers[input].shape, self.planar[input])
        };
        let mut packed = self.packed.borrow_mut();
        let equal = |other: &&(Id, Arc<Convolution>)| {
            matches!(&self.layers[other.0].kind, Kind::Convolution(kind) if kind == convolution)
                && reads(other.0) == reads(id)
        };
        if let Some((_, op)) = packed.iter().find(equal) {
            return Ok(op.clone());
        }
        let weights = convolution.weights.values();
        let spec = self.spec(self.layers[id].inputs[0], convolution, &weights);
        let op = Arc::new(Convolution::new(self.isa, &spec)?);
        packed.push((id, op.clone()));
        Ok(op)
    }

    fn from(&self, id: Id) -> From {
        match self.numbers[id] {
            Some(number) if self.planar[id] => From::Input(number),
            _ => From::Memory(self.ranges[id].clone()),
        }
    }

    fn spec<'a>(&self, input: Id, convolution: &'a layer::Convolution, weights: &'a [f32]) -> ConvolutionSpec<'a> {
        let source = if self.planar[input] { Source::Planar } else { Source::Blocked };
        spec(self.layers[input].shape, source, convolution, weights)
    }
}

fn spec<'a>(
    input: Shape,
    source: Source,
    convolution: &'a layer::Convolution,
    weights: &'a [f32],
) -> ConvolutionSpec<'a> {
    ConvolutionSpec {
        input,
        source,
        outputs: convolution.outputs,
        groups: convolution.groups,
        window: convolution.window,
        weights,
        bias: Some(&convolution.bias),
        activation: convolution.activation,
    }
}

fn depthwise(isa: Isa, input: Shape, convolution: &layer::Convolution) -> Result<Channelwise, Unsupported> {
    let layer::Convolution { window, weights, bias, activation, .. } = convolution;
    let weights = &weights.values();
    let spec = DepthwiseSpec { input, window: *window, weights, bias: Some(bias.as_slice()), activation: *activation };
    Channelwise::depthwise(isa, &spec)
}

/// `scale` · x + `shift` of each channel, and `shift` around the image.
fn one_tap(
    isa: Isa,
    input: Shape,
    padding: [usize; 4],
    scale: &[f32],
    shift: &[f32],
) -> Result<Channelwise, Unsupported> {
    let window = Window { padding, ..Window::pointwise() };
    let spec = DepthwiseSpec { input, window, weights: scale, bias: Some(shift), activation: Activation::None };
    Channelwise::depthwise(isa, &spec)
}
