//! Activations over their whole range, through a convolution that changes nothing.

use kernels::{Activation, Buffer, Convolution, ConvolutionSpec, Isa, Shape, Source, Window};

use crate::reference::activate;

#[test]
fn every_function_is_exact_over_its_whole_range() {
    let input = Shape::new(1, 1, 4001);
    let x: Vec<f32> = (0..4001).map(|i| (i as f32 - 2000.0) / 20.0).collect();
    for isa in Isa::available() {
        for activation in [Activation::Sigmoid, Activation::Silu, Activation::HardSwish, Activation::Gelu] {
            let spec = ConvolutionSpec {
                input,
                source: Source::Planar,
                outputs: 1,
                groups: 1,
                window: Window::pointwise(),
                weights: &[1.0],
                bias: None,
                activation,
            };
            let op = Convolution::new(isa, &spec).expect("a convolution");
            let mut out = Buffer::zeroed(op.output().blocked_len());
            op.run(&x, None, &mut out, &mut Buffer::default());
            for (x, actual) in x.iter().zip(out.chunks_exact(16)) {
                let expected = activate(activation, f64::from(*x));
                let difference = (f64::from(actual[0]) - expected).abs();
                assert!(difference <= 1e-6 * expected.abs().max(1.0), "{isa:?} {activation:?}({x}) = {}", actual[0]);
            }
        }
    }
}
