//! Convolutions of every kind.

use kernels::{Activation, Buffer, Convolution, ConvolutionSpec, Isa, Shape, Source, Window};
use proptest::prelude::*;

use crate::reference::{Noise, activate, assert_close, blocked, convolve, planar};

#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub input: Shape,
    pub source: Source,
    pub outputs: usize,
    pub groups: usize,
    pub window: Window,
    pub residual: bool,
    pub activation: Activation,
}

/// One convolution on every instruction set; how it ran.
pub fn check(case: Case) -> &'static str {
    let Case { input, source, outputs, groups, window, residual, activation } = case;
    let mut noise = Noise::new(7);
    let x = noise.take(input.planar_len());
    let weights = noise.take(outputs * input.channels / groups * window.kernel[0] * window.kernel[1]);
    let bias = noise.take(outputs);
    let mut expected = convolve(input, &x, outputs, groups, window, &weights, &bias);
    let added = noise.take(expected.len());
    for (value, added) in expected.iter_mut().zip(&added) {
        *value = activate(activation, *value + if residual { f64::from(*added) } else { 0.0 });
    }
    let mut way = "";
    for isa in Isa::available() {
        let spec = ConvolutionSpec {
            input,
            source,
            outputs,
            groups,
            window,
            weights: &weights,
            bias: Some(&bias),
            activation,
        };
        let op = Convolution::new(isa, &spec).expect("a convolution");
        let shape = op.output();
        let x = if source == Source::Planar { Buffer::copied(&x) } else { blocked(input, &x) };
        let residual = residual.then(|| blocked(shape, &added));
        let mut out = Buffer::zeroed(shape.blocked_len());
        out.fill(f32::NAN);
        // Scratch is used twice, so that leftovers of the first run would show in the second.
        let mut scratch = Buffer::default();
        for _ in 0..2 {
            op.run(&x, residual.as_deref(), &mut out, &mut scratch);
            assert_close(&planar(shape, &out), &expected, &format!("{isa:?} {case:?}"));
            scratch.fill(f32::NAN);
        }
        way = op.way();
    }
    way
}

pub fn plain(input: [usize; 3], outputs: usize, window: Window) -> Case {
    Case {
        input: Shape::new(input[0], input[1], input[2]),
        source: Source::Blocked,
        outputs,
        groups: 1,
        window,
        residual: false,
        activation: Activation::None,
    }
}

#[test]
fn pointwise_for_all_remainders_of_channels_and_pixels() {
    for channels in [1, 15, 16, 17, 40] {
        for outputs in [1, 16, 24, 33, 48, 70] {
            check(plain([channels, 1, 1], outputs, Window::pointwise()));
            check(plain([channels, 3, 5], outputs, Window::pointwise()));
        }
    }
    for width in 1..=45 {
        check(plain([20, 1, width], 32, Window::pointwise()));
    }
    check(plain([32, 14, 14], 64, Window::square(1, 2, 0)));
    check(plain([32, 15, 13], 40, Window::square(1, 3, 0)));
}

/// Of as many columns as a tile of each width reads at most, and more: there, sums wait in the output.
#[test]
fn inputs_of_many_chunks() {
    for channels in [200, 201, 278, 280, 307, 308, 418, 419, 900] {
        for outputs in [8, 24, 40, 70] {
            let case = plain([channels, 5, 7], outputs, Window::pointwise());
            check(case);
            check(Case { residual: true, activation: Activation::RELU6, ..case });
            check(Case { residual: true, activation: Activation::Silu, ..case });
        }
    }
    for window in [Window::square(3, 1, 1), Window::square(3, 2, 1), Window::square(5, 1, 2)] {
        check(Case { residual: true, ..plain([72, 9, 6], 40, window) });
        check(Case { groups: 2, ..plain([144, 9, 9], 48, window) });
    }
    check(Case { residual: true, ..plain([400, 9, 13], 56, Window::square(3, 1, 1)) });
}

/// AVX-512 computes them by even and odd inputs.
#[test]
fn outputs_of_one_and_a_half_blocks() {
    for outputs in (17..=24).chain([40, 56]) {
        for channels in [1, 2, 16, 31, 40] {
            check(plain([channels, 5, 9], outputs, Window::pointwise()));
            let case = plain([channels, 6, 5], outputs, Window::square(3, 2, 1));
            check(Case { residual: true, activation: Activation::RELU6, ..case });
        }
        check(Case { source: Source::Planar, ..plain([4, 9, 9], outputs, Window::square(2, 2, 0)) });
        check(Case { groups: 2, ..plain([24, 7, 7], 2 * outputs, Window::pointwise()) });
    }
    for width in 1..=20 {
        check(plain([20, 1, width], 24, Window::pointwise()));
    }
    check(plain([24, 21, 21], 24, Window::square(3, 1, 1)));
}

/// A strip has 327,680 floats at most.
#[test]
fn an_input_of_many_strips() {
    check(plain([80, 110, 110], 20, Window::pointwise()));
    check(plain([40, 130, 135], 20, Window::square(3, 1, 1)));
    check(Case { residual: true, activation: Activation::Silu, ..plain([40, 130, 135], 20, Window::square(3, 1, 1)) });
    check(plain([40, 130, 135], 20, Window::square(3, 2, 0)));
    check(Case { residual: true, ..plain([40, 130, 135], 20, Window::square(5, 1, 2)) });
    // Pixels that are looked up: of narrow rows, and of a stride that tiles are not compiled for.
    check(Case { residual: true, activation: Activation::Silu, ..plain([320, 101, 7], 20, Window::square(5, 1, 2)) });
    check(Case { source: Source::Planar, ..plain([3, 400, 401], 20, Window::square(3, 3, 0)) });
}

#[test]
fn windows_strides_dilations_and_uneven_padding() {
    for kernel in [[1, 1], [2, 2], [3, 3], [1, 5], [5, 1], [4, 3], [7, 7]] {
        for stride in [[1, 1], [2, 2], [1, 3]] {
            for dilation in [[1, 1], [2, 1], [1, 2]] {
                for padding in [[0; 4], [1; 4], [0, 0, 1, 1], [2, 3, 1, 0]] {
                    let window = Window { kernel, stride, dilation, padding };
                    check(plain([17, 13, 15], 18, window));
                    check(Case { source: Source::Planar, ..plain([3, 13, 15], 18, window) });
                }
            }
        }
    }
}

#[test]
fn the_3x3_convolutions_of_real_networks() {
    for (channels, side, outputs) in
        [(16, 55, 64), (48, 13, 192), (64, 28, 64), (160, 14, 160), (256, 14, 256), (40, 9, 24)]
    {
        for padding in [[1; 4], [0; 4], [2, 0, 1, 3]] {
            let window = Window { padding, ..Window::square(3, 1, 0) };
            check(plain([channels, side, side + 2], outputs, window));
        }
    }
}

#[test]
fn sides_of_any_sum_of_threes_and_fours() {
    for height in 8..=13 {
        for width in 8..=13 {
            let case = Case { residual: true, ..plain([16, height, width], 40, Window::square(3, 1, 1)) };
            assert_eq!(check(case), "winograd");
        }
    }
    // Without padding, and more rows than a strip has.
    assert_eq!(check(plain([16, 11, 10], 16, Window::square(3, 1, 0))), "winograd");
    assert_eq!(check(plain([64, 61, 58], 64, Window::square(3, 1, 1))), "winograd");
}

#[test]
fn wide_pointwise_convolutions() {
    // An even and an odd number of pixels and of blocks of outputs, one strip and several, and more inputs than a chunk.
    for (input, outputs) in
        [([128, 12, 8], 128), ([512, 13, 13], 1000), ([160, 11, 13], 129), ([224, 41, 43], 150), ([1024, 14, 14], 256)]
    {
        let wide = || plain(input, outputs, Window::pointwise());
        assert_eq!(check(wide()), "strassen", "{input:?}");
        check(Case { residual: true, ..wide() });
        for activation in [Activation::RELU, Activation::Silu] {
            check(Case { activation, ..wide() });
            check(Case { residual: true, activation, ..wide() });
        }
    }
}

#[test]
fn first_convolutions_of_real_networks() {
    for (kernel, stride, padding, outputs) in
        [(3, 2, 1, 32), (3, 2, 0, 64), (7, 2, 3, 64), (16, 16, 0, 40), (11, 4, 2, 64)]
    {
        let case = plain([3, 65, 61], outputs, Window::square(kernel, stride, padding));
        check(Case { source: Source::Planar, ..case });
    }
}

#[test]
fn groups_that_fill_blocks_and_groups_that_do_not() {
    for (channels, outputs, groups) in
        [(64, 64, 2), (64, 96, 4), (128, 128, 32), (24, 24, 8), (6, 12, 3), (10, 10, 10), (48, 16, 4), (40, 20, 2)]
    {
        for window in [Window::pointwise(), Window::square(3, 1, 1), Window::square(3, 2, 1)] {
            check(Case { groups, ..plain([channels, 9, 8], outputs, window) });
        }
    }
}

#[test]
fn residual_and_activation() {
    let activations = [
        Activation::RELU,
        Activation::RELU6,
        Activation::Clamp(-0.5, 0.25),
        Activation::Silu,
        Activation::Sigmoid,
        Activation::HardSwish,
        Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
        Activation::Gelu,
    ];
    for activation in activations {
        for residual in [false, true] {
            for window in [Window::pointwise(), Window::square(3, 1, 1)] {
                check(Case { residual, activation, ..plain([20, 7, 9], 40, window) });
            }
        }
    }
}

/// Tiles differ in length, but not in what they make of a pixel.
#[test]
fn a_pixel_gives_the_same_bits_wherever_it_is() {
    let mut noise = Noise::new(3);
    for (channels, outputs) in [(40, 48), (40, 40), (450, 24)] {
        let input = Shape::new(channels, 5, 9);
        let (pixel, weights) = (noise.take(channels), noise.take(outputs * channels));
        let x: Vec<f32> = pixel.iter().flat_map(|value| [*value; 45]).collect();
        for isa in Isa::available() {
            let spec = ConvolutionSpec {
                input,
                source: Source::Blocked,
                outputs,
                groups: 1,
                window: Window::pointwise(),
                weights: &weights,
                bias: None,
                activation: Activation::Silu,
            };
            let op = Convolution::new(isa, &spec).expect("a convolution");
            let mut out = Buffer::zeroed(op.output().blocked_len());
            op.run(&blocked(input, &x), None, &mut out, &mut Buffer::default());
            let out = planar(op.output(), &out);
            assert!(out.chunks(45).all(|channel| channel.iter().all(|value| *value == channel[0])), "{isa:?}");
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused_with_the_reason() {
    let spec = ConvolutionSpec {
        input: Shape::new(6, 4, 4),
        source: Source::Blocked,
        outputs: 8,
        groups: 1,
        window: Window::pointwise(),
        weights: &[0.0; 48],
        bias: None,
        activation: Activation::None,
    };
    let reason = |spec| Convolution::new(Isa::best(), &spec).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(reason(spec), "");
    assert!(reason(ConvolutionSpec { groups: 4, ..spec }).contains("4 groups"));
    assert!(reason(ConvolutionSpec { weights: &[0.0; 47], ..spec }).contains("47 weights, its shape needs 48"));
    assert!(reason(ConvolutionSpec { bias: Some(&[0.0; 7]), ..spec }).contains("7 biases"));
    assert!(reason(ConvolutionSpec { window: Window::square(5, 1, 0), ..spec }).contains("does not fit"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_convolution(
        (inputs, outputs, groups) in (1usize..40, 1usize..40, 1usize..4),
        (height, width) in (1usize..20, 1usize..40),
        (kernel, stride, dilation) in ([1usize..5, 1usize..5], [1usize..4, 1usize..4], [1usize..3, 1usize..3]),
        padding in [0usize..4, 0usize..4, 0usize..4, 0usize..4],
        (planar, residual) in (any::<bool>(), any::<bool>()),
    ) {
        let window = Window { kernel, stride, dilation, padding };
        prop_assume!(window.output(height, width).is_ok());
        check(Case {
            source: if planar { Source::Planar } else { Source::Blocked },
            groups,
            residual,
            activation: Activation::RELU,
            ..plain([inputs * groups, height, width], outputs * groups, window)
        });
    }
}
