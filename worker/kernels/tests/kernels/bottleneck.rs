//! A convolution, a depthwise convolution or pool, and a pointwise convolution, in strips.

use kernels::{Activation, Bottleneck, Buffer, Channelwise, ConvolutionSpec, Isa, Shape, Source, Window};

use crate::reference::{Noise, activate, assert_close, blocked, convolve, planar};
use crate::sweep::{KINDS, Kind, op, reference};

#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub kind: Kind,
    pub input: Shape,
    pub source: Source,
    pub before: Window,
    pub hidden: usize,
    pub window: Window,
    pub outputs: usize,
    pub residual: bool,
}

pub fn check(case: Case) {
    let Case { kind, input, source, before, hidden, window, outputs, residual } = case;
    let mut noise = Noise::new(7);
    let x = noise.take(input.planar_len());
    let first = noise.take(hidden * input.channels * before.kernel[0] * before.kernel[1]);
    let (first_bias, last_bias) = (noise.take(hidden), noise.take(outputs));
    let (weights, bias) = (noise.take(hidden * window.kernel[0] * window.kernel[1]), noise.take(hidden));
    let last = noise.take(outputs * hidden);
    let [height, width] = before.output(input.height, input.width).expect("a window that fits");
    let middle = Shape::new(hidden, height, width);
    let [height, width] = window.output(height, width).expect("a window that fits");
    let swept = Shape::new(hidden, height, width);
    let output = Shape::new(outputs, height, width);
    let added = noise.take(if residual { output.planar_len() } else { 0 });

    let rounded = |values: Vec<f64>| values.iter().map(|value| *value as f32).collect::<Vec<_>>();
    let values = rounded(convolve(input, &x, hidden, 1, before, &first, &first_bias));
    let values: Vec<f32> = values.iter().map(|value| activate(Activation::RELU, (*value).into()) as f32).collect();
    let values = rounded(reference(kind, middle, &values, window, &weights, &bias));
    let mut expected = convolve(swept, &values, outputs, 1, Window::pointwise(), &last, &last_bias);
    expected.iter_mut().zip(&added).for_each(|(value, added)| *value += f64::from(*added));
    expected.iter_mut().for_each(|value| *value = activate(Activation::HardSwish, *value));

    let spec = |input, source, outputs, window, weights, bias, activation| ConvolutionSpec {
        input,
        source,
        outputs,
        groups: 1,
        window,
        weights,
        bias: Some(bias),
        activation,
    };
    for isa in Isa::available() {
        let op: Channelwise = op(isa, kind, middle, window, &weights, &bias);
        let before = spec(input, source, hidden, before, &first, &first_bias, Activation::RELU);
        let pointwise = Window::pointwise();
        let project = spec(swept, Source::Blocked, outputs, pointwise, &last, &last_bias, Activation::HardSwish);
        let bottleneck = Bottleneck::new(isa, &before, op, &project).expect("a bottleneck");
        let x = if source == Source::Planar { Buffer::copied(&x) } else { blocked(input, &x) };
        let added = blocked(output, &if residual { added.clone() } else { vec![0.0; output.planar_len()] });
        let mut scratch = Buffer::default();
        for _ in 0..2 {
            let mut out = Buffer::zeroed(output.blocked_len());
            out.fill(f32::NAN);
            scratch.fill(f32::NAN);
            bottleneck.run(&x, residual.then_some(&added), &mut out, &mut scratch);
            assert_close(&planar(output, &out), &expected, &format!("{isa:?} {case:?}"));
        }
    }
}

/// Of an image of so many channels, rows and pixels.
pub fn pointwise(kind: Kind, [channels, height, width]: [usize; 3], window: Window) -> Case {
    Case {
        kind,
        input: Shape::new(channels, height, width),
        source: Source::Blocked,
        before: Window::pointwise(),
        hidden: 40,
        window,
        outputs: 24,
        residual: true,
    }
}

#[test]
fn windows_of_any_kind_in_one_strip() {
    for kind in KINDS {
        for window in [
            Window::square(3, 1, 1),
            Window::square(3, 2, 1),
            Window::square(5, 2, 2),
            Window { kernel: [2, 3], stride: [3, 1], dilation: [1, 2], padding: [1, 0, 2, 3] },
        ] {
            check(pointwise(kind, [17, 15, 16], window));
            let planar = Case {
                source: Source::Planar,
                before: Window::square(3, 2, 1),
                residual: false,
                ..pointwise(kind, [3, 29, 31], window)
            };
            check(planar);
        }
    }
}

#[test]
fn images_of_many_strips() {
    for stride in [1, 2] {
        for (kind, hidden, outputs) in [(KINDS[0], 96, 24), (KINDS[2], 40, 16), (KINDS[1], 130, 9)] {
            let wide = pointwise(kind, [16, 57, 56], Window::square(3, stride, 1));
            check(Case { hidden, outputs, ..wide });
            check(Case {
                source: Source::Planar,
                before: Window::square(3, 2, 1),
                input: Shape::new(3, 115, 113),
                ..wide
            });
        }
    }
}

#[test]
fn shapes_that_do_not_follow_each_other_are_refused() {
    let isa = Isa::best();
    let input = Shape::new(4, 8, 8);
    let spec = |input, window| ConvolutionSpec {
        input,
        source: Source::Blocked,
        outputs: 4,
        groups: 1,
        window,
        weights: &[0.0; 16],
        bias: None,
        activation: Activation::None,
    };
    let pool = || Channelwise::max_pool(isa, input, Window::square(2, 2, 0)).expect("a pool");
    let before = spec(input, Window::pointwise());
    for (project, named) in [
        (spec(input, Window::pointwise()), "height: 8"),
        (spec(Shape::new(4, 4, 4), Window { padding: [1, 0, 0, 0], ..Window::pointwise() }), "padding: [1"),
    ] {
        let message = Bottleneck::new(isa, &before, pool(), &project).err().expect("a refusal").to_string();
        assert!(message.contains(named), "{message}");
    }
}
