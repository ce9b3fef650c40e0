//! How near real layers come to the processor's peak. usage: layers [ISA] [NAME] [--json]

#![expect(clippy::print_stdout, reason = "an example's output is its result")]

mod measure;

use kernels::{Activation, Buffer, Convolution, ConvolutionSpec, Isa, Shape, Source, Window};
use measure::{Noise, best, peak};

/// Name, input, planar?, outputs, kernel, stride, padding.
type Layer = (&'static str, [usize; 3], bool, usize, usize, usize, usize);

const LAYERS: &[Layer] = &[
    ("mobilenet first", [3, 224, 224], true, 32, 3, 2, 1),
    ("mobilenet 112 32-16", [32, 112, 112], false, 16, 1, 1, 0),
    ("mobilenet 112 16-96", [16, 112, 112], false, 96, 1, 1, 0),
    ("mobilenet 56 96-24", [96, 56, 56], false, 24, 1, 1, 0),
    ("mobilenet 56 24-144", [24, 56, 56], false, 144, 1, 1, 0),
    ("mobilenet 28 144-32", [144, 28, 28], false, 32, 1, 1, 0),
    ("mobilenet 28 32-192", [32, 28, 28], false, 192, 1, 1, 0),
    ("mobilenet 14 384-64", [384, 14, 14], false, 64, 1, 1, 0),
    ("mobilenet 14 64-384", [64, 14, 14], false, 384, 1, 1, 0),
    ("mobilenet 14 576-96", [576, 14, 14], false, 96, 1, 1, 0),
    ("mobilenet 7 160-960", [160, 7, 7], false, 960, 1, 1, 0),
    ("mobilenet 7 960-160", [960, 7, 7], false, 160, 1, 1, 0),
    ("mobilenet 7 320-1280", [320, 7, 7], false, 1280, 1, 1, 0),
    ("squeezenet first", [3, 224, 224], true, 64, 3, 2, 0),
    ("squeezenet 55 16-64 3x3", [16, 55, 55], false, 64, 3, 1, 1),
    ("squeezenet 27 32-128 3x3", [32, 27, 27], false, 128, 3, 1, 1),
    ("squeezenet 13 64-256 3x3", [64, 13, 13], false, 256, 3, 1, 1),
    ("squeezenet 13 512-1000", [512, 13, 13], false, 1000, 1, 1, 0),
    ("resnet first", [3, 224, 224], true, 64, 7, 2, 3),
    ("resnet 56 64-64 3x3", [64, 56, 56], false, 64, 3, 1, 1),
    ("resnet 56 64-128 3x3/2", [64, 56, 56], false, 128, 3, 2, 1),
    ("resnet 28 128-128 3x3", [128, 28, 28], false, 128, 3, 1, 1),
    ("resnet 14 256-256 3x3", [256, 14, 14], false, 256, 3, 1, 1),
    ("resnet 7 512-512 3x3", [512, 7, 7], false, 512, 3, 1, 1),
    ("resnet 56 256-64", [256, 56, 56], false, 64, 1, 1, 0),
    ("resnet 56 64-256", [64, 56, 56], false, 256, 1, 1, 0),
    ("resnet 28 512-128", [512, 28, 28], false, 128, 1, 1, 0),
    ("resnet 28 128-512", [128, 28, 28], false, 512, 1, 1, 0),
    ("resnet 14 1024-256", [1024, 14, 14], false, 256, 1, 1, 0),
    ("resnet 14 256-1024", [256, 14, 14], false, 1024, 1, 1, 0),
    ("resnet 7 2048-512", [2048, 7, 7], false, 512, 1, 1, 0),
    ("resnet 7 512-2048", [512, 7, 7], false, 2048, 1, 1, 0),
];

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--json");
    let isa = arguments.next().map_or(Isa::best(), |name| Isa::named(&name).expect("an instruction set"));
    let only = arguments.next().unwrap_or_default();
    let mut noise = Noise::new(1);
    for (name, input, planar, outputs, kernel, stride, padding) in LAYERS.iter().filter(|layer| layer.0.contains(&only))
    {
        let input = Shape::new(input[0], input[1], input[2]);
        let weights = noise.take(outputs * input.channels * kernel * kernel, 0.1);
        let conv = Convolution::new(
            isa,
            &ConvolutionSpec {
                input,
                source: if *planar { Source::Planar } else { Source::Blocked },
                outputs: *outputs,
                groups: 1,
                window: Window::square(*kernel, *stride, *padding),
                weights: &weights,
                bias: None,
                activation: Activation::RELU,
            },
        )
        .expect("a layer");
        let x = Buffer::copied(&noise.take(conv.input_len(), 1.0));
        let mut y = Buffer::zeroed(conv.output().blocked_len());
        let mut scratch = Buffer::default();
        let (mut top, mut time) = (0f64, f64::INFINITY);
        for _ in 0..8 {
            top = top.max(peak(isa));
            time = time.min(best(8, || conv.run(&x, None, &mut y, &mut scratch)));
        }
        let speed = (2 * conv.output().planar_len() * input.channels * kernel * kernel) as f64 / time;
        let (ms, share, top, way) = (time * 1e3, speed / top, top / 1e9, conv.way());
        if json {
            println!(r#"{{"layer": "{name}", "way": "{way}", "ms": {ms}, "share": {share}, "peak": {top}}}"#);
        } else {
            println!("{name:28} {way:8} {ms:7.3} ms {:6.1} GFLOP/s {:5.1} % of {top:.1}", speed / 1e9, share * 100.0);
        }
    }
}
