//! Depthwise convolutions and pools, alone and fused with the convolution before them.

use kernels::{Activation, Buffer, Channelwise, ConvolutionSpec, DepthwiseSpec, Isa, Shape, Source, Sweep, Window};
use proptest::prelude::*;

use crate::reference::{Noise, activate, assert_close, blocked, convolve, planar, window_at};

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Depthwise(Activation),
    Max,
    Average { count_padding: bool },
}

pub const KINDS: [Kind; 5] = [
    Kind::Depthwise(Activation::RELU6),
    Kind::Depthwise(Activation::Silu),
    Kind::Max,
    Kind::Average { count_padding: true },
    Kind::Average { count_padding: false },
];

/// The op on every channel of a planar image.
pub fn reference(kind: Kind, input: Shape, x: &[f32], window: Window, weights: &[f32], bias: &[f32]) -> Vec<f64> {
    let [height, width] = window.output(input.height, input.width).expect("a window that fits");
    let taps = window.kernel[0] * window.kernel[1];
    let mut out = Vec::new();
    for channel in 0..input.channels {
        let plane = &x[channel * input.pixels()..][..input.pixels()];
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let values: Vec<_> = window_at(input, plane, window, y, x).collect();
            let inside = values.iter().flatten();
            out.push(match kind {
                Kind::Max => inside.fold(f64::NEG_INFINITY, |a, b| a.max(*b)),
                Kind::Average { count_padding: true } => inside.sum::<f64>() / taps as f64,
                Kind::Average { count_padding: false } => inside.clone().sum::<f64>() / inside.count().max(1) as f64,
                Kind::Depthwise(activation) => {
                    let filter = &weights[channel * taps..][..taps];
                    let products = values.iter().zip(filter).map(|(x, w)| x.unwrap_or(0.0) * f64::from(*w));
                    activate(activation, products.sum::<f64>() + f64::from(bias[channel]))
                }
            });
        }
    }
    out
}

pub fn op(isa: Isa, kind: Kind, input: Shape, window: Window, weights: &[f32], bias: &[f32]) -> Channelwise {
    match kind {
        Kind::Max => Channelwise::max_pool(isa, input, window),
        Kind::Average { count_padding } => Channelwise::average_pool(isa, input, window, count_padding),
        Kind::Depthwise(activation) => {
            Channelwise::depthwise(isa, &DepthwiseSpec { input, window, weights, bias: Some(bias), activation })
        }
    }
    .expect("an op")
}

fn run(sweep: &Sweep, x: &[f32], scratch: &mut Buffer) -> Vec<f32> {
    let mut out = Buffer::zeroed(sweep.output().blocked_len());
    out.fill(f32::NAN);
    scratch.fill(f32::NAN);
    sweep.run(x, &mut out, scratch);
    planar(sweep.output(), &out)
}

pub fn check_alone(kind: Kind, input: Shape, window: Window) {
    let mut noise = Noise::new(5);
    let x = noise.take(input.planar_len());
    let weights = noise.take(input.channels * window.kernel[0] * window.kernel[1]);
    let bias = noise.take(input.channels);
    let expected = reference(kind, input, &x, window, &weights, &bias);
    if expected.contains(&f64::NEG_INFINITY) {
        return; // A maximum over nothing but padding is not defined.
    }
    for isa in Isa::available() {
        let sweep = Sweep::alone(op(isa, kind, input, window, &weights, &bias));
        let mut scratch = Buffer::default();
        for _ in 0..2 {
            let actual = run(&sweep, &blocked(input, &x), &mut scratch);
            assert_close(&actual, &expected, &format!("{isa:?} {kind:?} {input:?} {window:?}"));
        }
    }
}

pub fn check_fused(kind: Kind, input: Shape, source: Source, outputs: usize, before: Window, window: Window) {
    let mut noise = Noise::new(6);
    let x = noise.take(input.planar_len());
    let first = noise.take(outputs * input.channels * before.kernel[0] * before.kernel[1]);
    let first_bias = noise.take(outputs);
    let weights = noise.take(outputs * window.kernel[0] * window.kernel[1]);
    let bias = noise.take(outputs);
    let [height, width] = before.output(input.height, input.width).expect("a window that fits");
    let middle = Shape::new(outputs, height, width);
    let hidden = convolve(input, &x, outputs, 1, before, &first, &first_bias);
    let hidden: Vec<f32> = hidden.iter().map(|x| activate(Activation::HardSwish, *x) as f32).collect();
    let expected = reference(kind, middle, &hidden, window, &weights, &bias);
    for isa in Isa::available() {
        let spec = ConvolutionSpec {
            input,
            source,
            outputs,
            groups: 1,
            window: before,
            weights: &first,
            bias: Some(&first_bias),
            activation: Activation::HardSwish,
        };
        let sweep = Sweep::after(isa, &spec, op(isa, kind, middle, window, &weights, &bias)).expect("a sweep");
        let x = if source == Source::Planar { Buffer::copied(&x) } else { blocked(input, &x) };
        let actual = run(&sweep, &x, &mut Buffer::default());
        assert_close(&actual, &expected, &format!("{isa:?} {kind:?} {input:?} {outputs} {before:?} {window:?}"));
    }
}

#[test]
fn windows_strides_dilations_and_padding() {
    for kind in KINDS {
        for kernel in [[1, 1], [2, 2], [3, 3], [5, 5], [7, 7], [1, 4], [3, 2]] {
            for stride in [[1, 1], [2, 2], [1, 3], [3, 1]] {
                for padding in [[0; 4], [1; 4], [0, 0, 1, 1], [2, 2, 2, 2], [1, 0, 0, 2]] {
                    for dilation in [[1, 1], [2, 2]] {
                        let window = Window { kernel, stride, dilation, padding };
                        if window.output(15, 17).is_ok() {
                            check_alone(kind, Shape::new(17, 15, 17), window);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_width_of_a_row() {
    for width in 1..40 {
        for window in
            [Window::square(3, 1, 1), Window::square(3, 2, 1), Window::square(5, 1, 2), Window::square(5, 2, 2)]
        {
            check_alone(Kind::Depthwise(Activation::RELU), Shape::new(20, 3, width), window);
            check_alone(Kind::Max, Shape::new(20, 3, width), window);
        }
    }
}

#[test]
fn fused_with_the_convolution_before() {
    for kind in KINDS {
        for window in
            [Window::square(3, 1, 1), Window::square(3, 2, 1), Window::square(5, 2, 2), Window::square(3, 2, 0)]
        {
            for outputs in [8, 32, 40, 70] {
                check_fused(kind, Shape::new(24, 14, 15), Source::Blocked, outputs, Window::pointwise(), window);
                check_fused(kind, Shape::new(3, 29, 31), Source::Planar, outputs, Window::square(3, 2, 1), window);
                check_fused(kind, Shape::new(3, 29, 31), Source::Planar, outputs, Window::square(3, 2, 0), window);
            }
        }
    }
}

#[test]
fn fused_with_a_convolution_whose_sums_wait() {
    for kind in KINDS {
        for outputs in [16, 24, 40] {
            let (pointwise, window) = (Window::pointwise(), Window::square(3, 1, 1));
            check_fused(kind, Shape::new(440, 5, 6), Source::Blocked, outputs, pointwise, window);
        }
    }
}

#[test]
fn shapes_that_do_not_follow_each_other_are_refused() {
    let isa = Isa::best();
    let before = ConvolutionSpec {
        input: Shape::new(3, 8, 8),
        source: Source::Planar,
        outputs: 2,
        groups: 1,
        window: Window::pointwise(),
        weights: &[0.0; 6],
        bias: None,
        activation: Activation::None,
    };
    let op = Channelwise::max_pool(isa, Shape::new(2, 7, 8), Window::square(3, 2, 0)).expect("a pool");
    let message = Sweep::after(isa, &before, op).err().expect("a refusal").to_string();
    assert!(message.contains("height: 8") && message.contains("height: 7"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_sweep(
        (channels, height, width) in (1usize..40, 1usize..20, 1usize..40),
        (kernel, stride, dilation) in ([1usize..6, 1usize..6], [1usize..4, 1usize..4], [1usize..3, 1usize..3]),
        padding in [0usize..5, 0usize..5, 0usize..5, 0usize..5],
        kind in 0usize..KINDS.len(),
    ) {
        let window = Window { kernel, stride, dilation, padding };
        prop_assume!(window.output(height, width).is_ok());
        check_alone(KINDS[kind], Shape::new(channels, height, width), window);
    }
}
