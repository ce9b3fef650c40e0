//! SqueezeNet 1.1 at 224×224 with random weights: how fast the ops are in a row.
//! usage: squeezenet [ISA] [ROUNDS]

mod measure;

use kernels::{Activation, Isa, Shape, Window};
use measure::chain::{Chain, Layer, report};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let isa = arguments.first().map_or(Isa::best(), |name| Isa::named(name).expect("an instruction set"));
    let rounds = arguments.get(1).map_or(300, |rounds| rounds.parse().expect("a number of rounds"));
    report("squeezenet1.1", network(isa), rounds, true);
}

fn network(isa: Isa) -> Chain {
    let image = Shape::new(3, 224, 224);
    let mut chain = Chain::new(isa, image);
    let layer =
        |input: Shape, outputs: usize, window: Window| Layer { input, outputs, window, activation: Activation::RELU };
    let pool = Window::square(3, 2, 0);
    let (mut x, mut shape) = chain.convolution_max_pool(layer(image, 64, pool), pool, 0);
    for (i, (squeeze, expand)) in
        [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)].into_iter().enumerate()
    {
        if i == 2 || i == 4 {
            let pooled = chain.max_pool(shape, pool, x);
            chain.release(x);
            (x, shape) = pooled;
        }
        let inner = Shape::new(squeeze, shape.height, shape.width);
        let hidden = chain.buffer(inner);
        chain.convolution(layer(shape, squeeze, Window::pointwise()), x, hidden, 0, None);
        chain.release(x);
        shape = Shape::new(2 * expand, shape.height, shape.width);
        x = chain.buffer(shape);
        // Both halves are written in place: the concatenation costs nothing.
        chain.convolution(layer(inner, expand, Window::pointwise()), hidden, x, 0, None);
        chain.convolution(layer(inner, expand, Window::square(3, 1, 1)), hidden, x, expand / 16, None);
        chain.release(hidden);
    }
    let classes = Shape::new(1000, shape.height, shape.width);
    let scores = chain.buffer(classes);
    chain.convolution(layer(shape, 1000, Window::pointwise()), x, scores, 0, None);
    chain.global_average(classes, scores);
    chain
}
