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

/// Denormal numbers, and what becomes denormal in the next layers, are slow on some processors.
#[test]
fn results_that_matter_to_nobody_are_zero() {
    for isa in Isa::available() {
        for activation in [Activation::Sigmoid, Activation::Silu, Activation::HardSwish, Activation::Gelu] {
            let mut values: Vec<f32> = (0..160).map(|i| -2f32.powi(-i)).chain((70..100).map(|i| -(i as f32))).collect();
            kernels::activate(isa, activation, &mut values);
            assert!(values.iter().all(|&y| y == 0.0 || y.abs() > 4e-32), "{isa:?} {activation:?}: {values:?}");
        }
        let mut values = vec![1e-20, 1e-34, -1e-39, -80.0];
        kernels::activate(isa, Activation::Silu, &mut values);
        assert_eq!([values[0], values[1], values[2], values[3]], [5e-21, 0.0, 0.0, 0.0], "{isa:?}");
    }
}
