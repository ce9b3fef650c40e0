//! A network as a list of ops over numbered buffers, with random weights.

use kernels::{
    Activation, Bottleneck, Buffer, Channelwise, Convolution, ConvolutionSpec, DepthwiseSpec, Isa, Shape, Source,
    Sweep, Window,
};

use crate::measure::Noise;

enum Op {
    Convolution(Box<Convolution>, Option<usize>),
    Sweep(Box<Sweep>),
    Bottleneck(Box<Bottleneck>, Option<usize>),
}

struct Step {
    name: String,
    op: Op,
    from: usize,
    to: usize,
    /// Floats of the output buffer before this op's part.
    at: usize,
}

/// Ops in order; buffer 0 is the input.
pub struct Chain {
    isa: Isa,
    noise: Noise,
    steps: Vec<Step>,
    buffers: Vec<Buffer>,
    /// Buffers whose content nothing needs any more, the last freed (and warmest) at the end.
    free: Vec<usize>,
    scratch: Buffer,
    pub flops: usize,
}

/// A convolution of a chain.
#[derive(Clone, Copy)]
pub struct Layer {
    pub input: Shape,
    pub outputs: usize,
    pub window: Window,
    pub activation: Activation,
}

impl Chain {
    pub fn new(isa: Isa, input: Shape) -> Self {
        let mut noise = Noise::new(1);
        let buffers = vec![Buffer::copied(&noise.take(input.planar_len(), 1.0))];
        Self { isa, noise, steps: Vec::new(), buffers, free: Vec::new(), scratch: Buffer::default(), flops: 0 }
    }

    /// A buffer for an image.
    pub fn buffer(&mut self, shape: Shape) -> usize {
        let id = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(Buffer::default());
            self.buffers.len() - 1
        });
        self.buffers[id].at_least(shape.blocked_len());
        id
    }

    /// Declares that no later op reads this buffer.
    pub fn release(&mut self, id: usize) {
        self.free.push(id);
    }

    /// A convolution from one buffer to another, from block `block` of that on.
    pub fn convolution(
        &mut self,
        layer: Layer,
        from: usize,
        to: usize,
        block: usize,
        residual: Option<usize>,
    ) -> Shape {
        let op = self.with_spec(layer, from, |isa, spec| Convolution::new(isa, spec).expect("a convolution"));
        let output = op.output();
        self.push(layer, "", Op::Convolution(Box::new(op), residual), from, to, block * output.plane());
        output
    }

    /// A convolution and a depthwise 3×3.
    pub fn expand_depthwise(&mut self, layer: Layer, stride: usize, from: usize) -> (usize, Shape) {
        let [height, width] = layer.window.output(layer.input.height, layer.input.width).expect("a window that fits");
        let middle = Shape::new(layer.outputs, height, width);
        let op = self.depthwise(middle, stride, layer.activation);
        self.after(layer, from, op, "+ depthwise")
    }

    /// A convolution, a depthwise 3×3, and a pointwise convolution to another buffer.
    pub fn bottleneck(
        &mut self,
        layer: Layer,
        stride: usize,
        project: Layer,
        (from, to): (usize, usize),
        residual: Option<usize>,
    ) {
        let [height, width] = layer.window.output(layer.input.height, layer.input.width).expect("a window that fits");
        let op = self.depthwise(Shape::new(layer.outputs, height, width), stride, layer.activation);
        let (mut op, isa) = (Some(op), self.isa);
        let weights = self.noise.take(project.outputs * layer.outputs, (3.0 / layer.outputs as f32).sqrt());
        self.flops += 2 * weights.len() * project.input.pixels();
        let op = self.with_spec(layer, from, |_, before| {
            let project = ConvolutionSpec {
                input: project.input,
                source: Source::Blocked,
                outputs: project.outputs,
                groups: 1,
                window: project.window,
                weights: &weights,
                bias: None,
                activation: project.activation,
            };
            Bottleneck::new(isa, before, op.take().expect("called once"), &project).expect("a bottleneck")
        });
        let what = format!("+ depthwise + {}", project.outputs);
        self.push(layer, &what, Op::Bottleneck(Box::new(op), residual), from, to, 0);
    }

    /// A depthwise 3×3 by itself.
    pub fn depthwise_alone(
        &mut self,
        input: Shape,
        stride: usize,
        activation: Activation,
        from: usize,
    ) -> (usize, Shape) {
        let op = Sweep::alone(self.depthwise(input, stride, activation));
        let output = op.output();
        let to = self.buffer(output);
        let layer = Layer { input, outputs: input.channels, window: Window::square(3, stride, 1), activation };
        self.push(layer, "depthwise", Op::Sweep(Box::new(op)), from, to, 0);
        (to, output)
    }

    /// A convolution and a max-pool.
    pub fn convolution_max_pool(&mut self, layer: Layer, pool: Window, from: usize) -> (usize, Shape) {
        let [height, width] = layer.window.output(layer.input.height, layer.input.width).expect("a window that fits");
        let op = Channelwise::max_pool(self.isa, Shape::new(layer.outputs, height, width), pool).expect("a pool");
        self.after(layer, from, op, "+ max-pool")
    }

    pub fn max_pool(&mut self, input: Shape, window: Window, from: usize) -> (usize, Shape) {
        let op = Sweep::alone(Channelwise::max_pool(self.isa, input, window).expect("a pool"));
        let output = op.output();
        let to = self.buffer(output);
        let layer = Layer { input, outputs: input.channels, window, activation: Activation::None };
        self.push(layer, "max-pool", Op::Sweep(Box::new(op)), from, to, 0);
        (to, output)
    }

    pub fn global_average(&mut self, input: Shape, from: usize) -> (usize, Shape) {
        let window = Window { kernel: [input.height, input.width], ..Window::pointwise() };
        let op = Sweep::alone(Channelwise::average_pool(self.isa, input, window, true).expect("a pool"));
        let output = op.output();
        let to = self.buffer(output);
        let layer = Layer { input, outputs: input.channels, window, activation: Activation::None };
        self.push(layer, "average", Op::Sweep(Box::new(op)), from, to, 0);
        (to, output)
    }

    /// Computes one image.
    pub fn run(&mut self) {
        self.run_timed(|_, _| ());
    }

    /// Computes one image and tells the time of each op.
    pub fn run_timed(&mut self, mut tell: impl FnMut(&str, f64)) {
        for step in &self.steps {
            let start = std::time::Instant::now();
            let mut output = std::mem::take(&mut self.buffers[step.to]);
            let input = &self.buffers[step.from];
            match &step.op {
                Op::Convolution(op, residual) => {
                    let part = &mut output[step.at..][..op.output().blocked_len()];
                    let residual = residual.map(|residual| &self.buffers[residual][..]);
                    let residual = residual.map(|residual| &residual[..part.len()]);
                    op.run(&input[..op.input_len()], residual, part, &mut self.scratch);
                }
                Op::Bottleneck(op, residual) => {
                    let part = &mut output[..op.output().blocked_len()];
                    let residual = residual.map(|residual| &self.buffers[residual][..part.len()]);
                    op.run(&input[..op.input_len()], residual, part, &mut self.scratch);
                }
                Op::Sweep(op) => {
                    let part = &mut output[..op.output().blocked_len()];
                    op.run(&input[..op.input_len()], part, &mut self.scratch);
                }
            }
            self.buffers[step.to] = output;
            tell(&step.name, start.elapsed().as_secs_f64());
        }
    }

    fn after(&mut self, layer: Layer, from: usize, op: Channelwise, what: &str) -> (usize, Shape) {
        let mut op = Some(op);
        let op = self.with_spec(layer, from, |isa, spec| {
            Sweep::after(isa, spec, op.take().expect("called once")).expect("a sweep")
        });
        let output = op.output();
        let to = self.buffer(output);
        self.push(layer, what, Op::Sweep(Box::new(op)), from, to, 0);
        (to, output)
    }

    fn depthwise(&mut self, input: Shape, stride: usize, activation: Activation) -> Channelwise {
        let weights = self.noise.take(input.channels * 9, 0.5);
        let window = Window::square(3, stride, 1);
        let spec = DepthwiseSpec { input, window, weights: &weights, bias: None, activation };
        let op = Channelwise::depthwise(self.isa, &spec).expect("a depthwise convolution");
        let [height, width] = window.output(input.height, input.width).expect("a window that fits");
        self.flops += 18 * input.channels * height * width;
        op
    }

    fn with_spec<T>(&mut self, layer: Layer, from: usize, make: impl FnOnce(Isa, &ConvolutionSpec<'_>) -> T) -> T {
        let Layer { input, outputs, window, activation } = layer;
        let inputs = input.channels * window.kernel[0] * window.kernel[1];
        let [height, width] = window.output(input.height, input.width).expect("a window that fits");
        self.flops += 2 * inputs * outputs * height * width;
        let weights = self.noise.take(outputs * inputs, (3.0 / inputs as f32).sqrt());
        let bias = self.noise.take(outputs, 0.1);
        let source = if from == 0 { Source::Planar } else { Source::Blocked };
        let (weights, bias) = (&weights[..], Some(&bias[..]));
        make(self.isa, &ConvolutionSpec { input, source, outputs, groups: 1, window, weights, bias, activation })
    }

    fn push(&mut self, layer: Layer, what: &str, op: Op, from: usize, to: usize, at: usize) {
        let Layer { input, outputs, window, .. } = layer;
        let name = format!(
            "{}x{}x{} to {outputs}, {}x{}/{} {what}",
            input.channels, input.height, input.width, window.kernel[0], window.kernel[1], window.stride[0]
        );
        self.steps.push(Step { name, op, from, to, at });
    }
}

/// Prints the time of each op (the best of many runs), then of the whole network.
#[expect(clippy::print_stdout, reason = "an example's output is its result")]
pub fn report(name: &str, mut chain: Chain, rounds: usize, detailed: bool) {
    let isa = chain.isa;
    let mut times: Vec<(String, f64)> = chain.steps.iter().map(|step| (step.name.clone(), f64::INFINITY)).collect();
    let (mut whole, mut top) = (Vec::new(), 0f64);
    for round in 0..rounds {
        if round % 10 == 0 {
            top = top.max(crate::measure::peak(isa));
        }
        let mut each = times.iter_mut();
        let start = std::time::Instant::now();
        chain.run_timed(|_, time| {
            let best = &mut each.next().expect("a time for each op").1;
            *best = best.min(time);
        });
        whole.push(start.elapsed().as_secs_f64());
    }
    if detailed {
        for (name, time) in &times {
            println!("{name:44} {:8.1} us", time * 1e6);
        }
        println!("sum of the best times: {:.3} ms", times.iter().map(|time| time.1).sum::<f64>() * 1e3);
    }
    whole.sort_by(f64::total_cmp);
    let (best, median) = (whole[0], whole[whole.len() / 2]);
    println!(
        "{name} {isa:?}: best {:.3} ms, median {:.3} ms, {:.1} images/s (median), {:.1} GFLOP/s (best), {:.0} % of {:.1}",
        best * 1e3,
        median * 1e3,
        1.0 / median,
        chain.flops as f64 / best / 1e9,
        chain.flops as f64 / best / top * 100.0,
        top / 1e9
    );
}
