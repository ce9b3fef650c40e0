//! Each op at the sizes of real networks; throughput counts the model's floating-point operations ("elements").

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kernels::{
    Activation, Buffer, Channelwise, Convolution, ConvolutionSpec, DepthwiseSpec, Isa, Product, ProductSpec, Shape,
    Source, Sweep, Window,
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
        ("3x3 16x55 to 64", Shape::new(16, 55, 55), 64, Window::square(3, 1, 1)),
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

criterion_group! {
    name = ops;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(500));
    targets = convolutions, sweeps, products
}
criterion_main!(ops);
