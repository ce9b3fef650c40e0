//! Each op at the sizes of real networks; throughput counts the model's floating-point operations ("elements").

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kernels::{
    Activation, Bottleneck, Buffer, ChannelMap, Channelwise, Convolution, ConvolutionSpec, DepthwiseSpec, Isa, Product,
    ProductSpec, Shape, Source, Sweep, Window, activate, add, global_average, scale_channels, to_blocked, to_planar,
};

/// Values that are neither zero nor denormal.
fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i % 17) as f32 / 17.0 - 0.45).collect()
}

fn spec<'a>(input: Shape, outputs: usize, window: Window, weights: &'a [f32]) -> ConvolutionSpec<'a> {
    let source = if input.channels == 3 { Source::Planar } else { Source::Blocked };
    ConvolutionSpec { input, source, outputs, groups: 1, window, weights, bias: None, activation: Activation::RELU }
}

fn convolutions(criterion: &mut Criterion) {
    let layers = [
        ("first 3x224 to 32 3x3/2", Shape::new(3, 224, 224), 32, Window::square(3, 2, 1)),
        ("first 3x224 to 64 7x7/2", Shape::new(3, 224, 224), 64, Window::square(7, 2, 3)),
        ("pointwise 96x56 to 24", Shape::new(96, 56, 56), 24, Window::pointwise()),
        ("pointwise 384x14 to 64", Shape::new(384, 14, 14), 64, Window::pointwise()),
        ("pointwise 960x7 to 160", Shape::new(960, 7, 7), 160, Window::pointwise()),
        ("wide pointwise 512x13 to 1000", Shape::new(512, 13, 13), 1000, Window::pointwise()),
        ("wide pointwise 256x14 to 1024", Shape::new(256, 14, 14), 1024, Window::pointwise()),
        ("3x3 16x55 to 64", Shape::new(16, 55, 55), 64, Window::square(3, 1, 1)),
        ("3x3 64x13 to 256", Shape::new(64, 13, 13), 256, Window::square(3, 1, 1)),
        ("3x3 64x56 to 64", Shape::new(64, 56, 56), 64, Window::square(3, 1, 1)),
        ("3x3/2 64x56 to 128", Shape::new(64, 56, 56), 128, Window::square(3, 2, 1)),
        ("3x3 512x7 to 512", Shape::new(512, 7, 7), 512, Window::square(3, 1, 1)),
    ];
    for isa in Isa::available() {
        let mut group = criterion.benchmark_group(format!("convolution {isa:?}"));
        for (name, input, outputs, window) in layers {
            let columns = input.channels * window.kernel[0] * window.kernel[1];
            let weights = values(outputs * columns);
            let op = Convolution::new(isa, &spec(input, outputs, window, &weights)).expect("a convolution");
            let x = Buffer::copied(&values(op.input_len()));
            let mut out = Buffer::zeroed(op.output().blocked_len());
            let mut scratch = Buffer::default();
            group.throughput(Throughput::Elements((2 * columns * op.output().planar_len()) as u64));
            group.bench_function(name, |bencher| bencher.iter(|| op.run(&x, None, &mut out, &mut scratch)));
        }
    }
}

fn sweeps(criterion: &mut Criterion) {
    for isa in Isa::available() {
        let mut group = criterion.benchmark_group(format!("sweep {isa:?}"));
        let mut measure = |name: &str, flops: usize, op: Sweep| {
            let x = Buffer::copied(&values(op.input_len()));
            let mut out = Buffer::zeroed(op.output().blocked_len());
            let mut scratch = Buffer::default();
            group.throughput(Throughput::Elements(flops as u64));
            group.bench_function(name, |bencher| bencher.iter(|| op.run(&x, &mut out, &mut scratch)));
        };
        for (channels, side, hidden, stride) in [(16, 112, 96, 2), (24, 56, 144, 1), (64, 14, 384, 1)] {
            let window = Window::square(3, stride, 1);
            let middle = Shape::new(hidden, side, side);
            let weights = values(hidden * 9);
            let depthwise = || {
                let activation = Activation::RELU6;
                let spec = DepthwiseSpec { input: middle, window, weights: &weights, bias: None, activation };
                Channelwise::depthwise(isa, &spec).expect("an op")
            };
            let alone = Sweep::alone(depthwise());
            let flops = 18 * alone.output().planar_len();
            measure(&format!("depthwise {hidden}x{side}/{stride}"), flops, alone);
            let weights = values(channels * hidden);
            let before = spec(Shape::new(channels, side, side), hidden, Window::pointwise(), &weights);
            let fused = Sweep::after(isa, &before, depthwise()).expect("a sweep");
            let flops = flops + 2 * channels * middle.planar_len();
            measure(&format!("expand {channels} + depthwise {hidden}x{side}/{stride}"), flops, fused);
        }
        let weights = values(64 * 27);
        let pool = Channelwise::max_pool(isa, Shape::new(64, 111, 111), Window::square(3, 2, 0)).expect("a pool");
        let before = spec(Shape::new(3, 224, 224), 64, Window::square(3, 2, 0), &weights);
        let op = Sweep::after(isa, &before, pool).expect("a sweep");
        measure("first 3x3/2 + max-pool", 2 * 27 * 64 * 111 * 111, op);
    }
}

/// The first bottlenecks of MobileNetV2, whose large images are never made as a whole.
fn bottlenecks(criterion: &mut Criterion) {
    for isa in Isa::available() {
        let mut group = criterion.benchmark_group(format!("bottleneck {isa:?}"));
        for (channels, side, hidden, stride) in [(16, 112, 96, 2), (24, 56, 144, 1)] {
            let (middle, outputs) = (Shape::new(hidden, side, side), 24);
            let (expand, nine, last) = (values(channels * hidden), values(hidden * 9), values(outputs * hidden));
            let (window, activation) = (Window::square(3, stride, 1), Activation::RELU6);
            let depthwise = DepthwiseSpec { input: middle, window, weights: &nine, bias: None, activation };
            let depthwise = Channelwise::depthwise(isa, &depthwise).expect("an op");
            let before = spec(Shape::new(channels, side, side), hidden, Window::pointwise(), &expand);
            let swept = Shape::new(hidden, side / stride, side / stride);
            let project = spec(swept, outputs, Window::pointwise(), &last);
            let op = Bottleneck::new(isa, &before, depthwise, &project).expect("a bottleneck");
            let x = Buffer::copied(&values(op.input_len()));
            let mut out = Buffer::zeroed(op.output().blocked_len());
            let mut scratch = Buffer::default();
            let flops = 2 * channels * middle.planar_len() + (18 + 2 * outputs) * swept.planar_len();
            group.throughput(Throughput::Elements(flops as u64));
            let name = format!("expand {channels} + depthwise {hidden}x{side}/{stride} + project to {outputs}");
            group.bench_function(name, |bencher| bencher.iter(|| op.run(&x, None, &mut out, &mut scratch)));
        }
    }
}

fn products(criterion: &mut Criterion) {
    for isa in Isa::available() {
        let mut group = criterion.benchmark_group(format!("product {isa:?}"));
        for (rows, inputs, outputs) in [(1, 1280, 1000), (197, 768, 768), (197, 768, 3072), (197, 3072, 768)] {
            let weights = values(inputs * outputs);
            let spec = ProductSpec {
                inputs,
                outputs,
                weights: &weights,
                transposed: true,
                bias: None,
                activation: Activation::None,
            };
            let op = Product::new(isa, &spec).expect("a product");
            let x = Buffer::copied(&values(rows * inputs));
            let mut out = Buffer::zeroed(rows * outputs);
            let mut scratch = Buffer::default();
            group.throughput(Throughput::Elements((2 * rows * inputs * outputs) as u64));
            let name = format!("{rows}x{inputs}x{outputs}");
            group.bench_function(name, |bencher| bencher.iter(|| op.run(&x, &mut out, &mut scratch)));
        }
    }
}

/// Ops that pass once over an image; throughput counts its values.
fn passes(criterion: &mut Criterion) {
    for isa in Isa::available() {
        let mut group = criterion.benchmark_group(format!("pass {isa:?}"));
        for (channels, side) in [(96, 56), (256, 14)] {
            let shape = Shape::new(channels, side, side);
            let mut image = Buffer::copied(&values(shape.blocked_len()));
            let other = Buffer::copied(&values(shape.blocked_len()));
            let factors = Buffer::copied(&vec![1.0; channels]);
            let mut means = Buffer::zeroed(channels);
            group.throughput(Throughput::Elements(shape.planar_len() as u64));
            let mut measure = |name: &str, op: &mut dyn FnMut(&mut Buffer)| {
                group.bench_function(format!("{name} {channels}x{side}"), |bencher| bencher.iter(|| op(&mut image)));
            };
            // What is done again and again to the same image must keep its values ordinary.
            measure("clamp", &mut |image| activate(isa, Activation::Clamp(-1.0, 1.0), image));
            for activation in [Activation::Sigmoid, Activation::Silu, Activation::HardSwish, Activation::Gelu] {
                measure(&format!("{activation:?}"), &mut |image| {
                    image.copy_from_slice(&other);
                    activate(isa, activation, image);
                });
            }
            measure("add + clamp", &mut |image| add(isa, image, &other, Activation::Clamp(-1.0, 1.0)));
            measure("scale channels", &mut |image| scale_channels(isa, shape, image, &factors));
            measure("global average", &mut |image| global_average(isa, shape, image, &mut means));
        }
    }
}

/// Moving channels and changing the layout: the same code for every instruction set. Throughput counts values.
fn moves(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("move");
    for (channels, side) in [(116, 28), (464, 7)] {
        let shape = Shape::new(channels, side, side);
        let planar = values(shape.planar_len());
        let mut image = Buffer::zeroed(shape.blocked_len());
        to_blocked(shape, &planar, &mut image);
        let mut back = vec![0.0; shape.planar_len()];
        let mut out = Buffer::zeroed(shape.blocked_len());
        let half = channels / 2;
        let sources: Vec<_> = (0..half).flat_map(|channel| [(0, channel), (0, channel + half)]).collect();
        let shuffle = ChannelMap::new(&[shape], &sources).expect("a map");
        group.throughput(Throughput::Elements(shape.planar_len() as u64));
        let name = |what: &str| format!("{what} {channels}x{side}");
        group.bench_function(name("shuffle"), |bencher| bencher.iter(|| shuffle.run(&[&image], &mut out)));
        group.bench_function(name("to blocks"), |bencher| bencher.iter(|| to_blocked(shape, &planar, &mut out)));
        group.bench_function(name("to planes"), |bencher| bencher.iter(|| to_planar(shape, &image, &mut back)));
    }
}

criterion_group! {
    name = ops;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(500));
    targets = convolutions, sweeps, bottlenecks, products, passes, moves
}
criterion_main!(ops);
