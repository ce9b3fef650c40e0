//! MobileNetV2 1.0 at 224×224 with random weights: how fast the ops are in a row.
//! usage: mobilenet_v2 [ISA] [ROUNDS] [plain]   (`plain`: nothing fused)

mod measure;

use kernels::{Activation, Bottleneck, Isa, Shape, Window};
use measure::chain::{Chain, Layer, report};

/// Expansion, output channels, repetitions, stride of the first.
const STAGES: [(usize, usize, usize, usize); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let isa = arguments.first().map_or(Isa::best(), |name| Isa::named(name).expect("an instruction set"));
    let rounds = arguments.get(1).map_or(300, |rounds| rounds.parse().expect("a number of rounds"));
    let fused = arguments.get(2).is_none_or(|word| word != "plain");
    report("mobilenet_v2", network(isa, fused), rounds, true);
}

fn network(isa: Isa, fused: bool) -> Chain {
    let image = Shape::new(3, 224, 224);
    let mut chain = Chain::new(isa, image);
    let pointwise = |input: Shape, outputs: usize, activation: Activation| Layer {
        input,
        outputs,
        window: Window::pointwise(),
        activation,
    };
    let first = Layer { input: image, outputs: 32, window: Window::square(3, 2, 1), activation: Activation::RELU6 };
    // The first stage has no expansion of its own: its depthwise convolution follows the first one.
    let (mut x, mut shape) = (0, image);
    for (expansion, outputs, repetitions, stride) in STAGES {
        for repetition in 0..repetitions {
            let stride = if repetition == 0 { stride } else { 1 };
            let layer =
                if expansion == 1 { first } else { pointwise(shape, shape.channels * expansion, Activation::RELU6) };
            let [height, width] =
                layer.window.output(layer.input.height, layer.input.width).expect("a window that fits");
            let hidden_shape = Shape::new(layer.outputs, height / stride, width / stride);
            if fused && Bottleneck::suits(hidden_shape) {
                let next = Shape::new(outputs, hidden_shape.height, hidden_shape.width);
                let to = chain.buffer(next);
                let project = pointwise(hidden_shape, outputs, Activation::None);
                chain.bottleneck(layer, stride, project, (x, to), (repetition > 0).then_some(x));
                if x != 0 {
                    chain.release(x);
                }
                (x, shape) = (to, next);
                continue;
            }
            let (hidden, hidden_shape) = if fused {
                chain.expand_depthwise(layer, stride, x)
            } else {
                let [height, width] = layer.window.output(shape.height, shape.width).expect("a window that fits");
                let to = chain.buffer(Shape::new(layer.outputs, height, width));
                let middle = chain.convolution(layer, x, to, 0, None);
                let result = chain.depthwise_alone(middle, stride, Activation::RELU6, to);
                chain.release(to);
                result
            };
            let project = pointwise(hidden_shape, outputs, Activation::None);
            let next = Shape::new(outputs, hidden_shape.height, hidden_shape.width);
            let to = chain.buffer(next);
            chain.convolution(project, hidden, to, 0, (repetition > 0).then_some(x));
            chain.release(hidden);
            if x != 0 {
                chain.release(x);
            }
            (x, shape) = (to, next);
        }
    }
    let to = chain.buffer(Shape::new(1280, shape.height, shape.width));
    let last = chain.convolution(pointwise(shape, 1280, Activation::RELU6), x, to, 0, None);
    let (pooled, one) = chain.global_average(last, to);
    let scores = chain.buffer(Shape::new(1000, 1, 1));
    chain.convolution(pointwise(one, 1000, Activation::None), pooled, scores, 0, None);
    chain
}
