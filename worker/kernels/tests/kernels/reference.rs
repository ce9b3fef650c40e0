//! The ops as a textbook writes them, in double precision on planar images, and how results are compared.

use kernels::{Activation, Buffer, Shape, Window, to_blocked, to_planar};

/// A reproducible stream of floats within ±1.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2) + 1)
    }

    pub fn take(&mut self, len: usize) -> Vec<f32> {
        (0..len)
            .map(|_| {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
            })
            .collect()
    }
}

/// The blocked layout of a planar image; padding channels hold rubbish that no op may let through.
pub fn blocked(shape: Shape, planar: &[f32]) -> Buffer {
    let mut out = Buffer::zeroed(shape.blocked_len());
    to_blocked(shape, planar, &mut out);
    for (i, value) in out.iter_mut().enumerate() {
        if i / shape.plane() * 16 + i % 16 >= shape.channels {
            *value = f32::NAN;
        }
    }
    out
}

pub fn planar(shape: Shape, blocked: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; shape.planar_len()];
    to_planar(shape, blocked, &mut out);
    out
}

/// Within 1e-5 of the largest expected value.
#[track_caller]
pub fn assert_close(actual: &[f32], expected: &[f64], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3f64, |scale, value| scale.max(value.abs()));
    for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let difference = (f64::from(*actual) - expected).abs();
        assert!(difference <= 1e-5 * scale, "{what}: value {i} is {actual}, not {expected}");
    }
}

pub fn activate(activation: Activation, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::None => x,
        Activation::Clamp(low, high) => x.clamp(f64::from(low), f64::from(high)),
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => x * sigmoid(x),
        Activation::HardSigmoid { alpha, beta } => (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0),
        Activation::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Activation::Gelu => x * normal(x),
    }
}

/// The normal distribution function: Simpson's rule over the density from 0.
fn normal(x: f64) -> f64 {
    let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let steps = 2000;
    let step = x / f64::from(steps);
    let inner: f64 = (1..steps).map(|i| density(f64::from(i) * step) * if i % 2 == 0 { 2.0 } else { 4.0 }).sum();
    0.5 + (density(0.0) + inner + density(x)) * step / 3.0
}

/// The input values under a window, `None` outside of the image, in order of the taps.
pub fn window_at<'a>(
    shape: Shape,
    channel: &'a [f32],
    window: Window,
    y: usize,
    x: usize,
) -> impl Iterator<Item = Option<f64>> + 'a {
    let [kernel_y, kernel_x] = window.kernel;
    (0..kernel_y).flat_map(move |ky| {
        (0..kernel_x).map(move |kx| {
            let row = (y * window.stride[0] + ky * window.dilation[0]).checked_sub(window.padding[0])?;
            let column = (x * window.stride[1] + kx * window.dilation[1]).checked_sub(window.padding[1])?;
            (row < shape.height && column < shape.width).then(|| f64::from(channel[row * shape.width + column]))
        })
    })
}

/// A convolution without activation.
pub fn convolve(
    input: Shape,
    planar: &[f32],
    outputs: usize,
    groups: usize,
    window: Window,
    weights: &[f32],
    bias: &[f32],
) -> Vec<f64> {
    let [height, width] = window.output(input.height, input.width).expect("a window that fits");
    let taps = window.kernel[0] * window.kernel[1];
    let inputs = input.channels / groups;
    let mut out = Vec::with_capacity(outputs * height * width);
    for output in 0..outputs {
        let first = output / (outputs / groups) * inputs;
        for y in 0..height {
            for x in 0..width {
                let mut sum = f64::from(bias[output]);
                for channel in 0..inputs {
                    let plane = &planar[(first + channel) * input.pixels()..][..input.pixels()];
                    let weights = &weights[(output * inputs + channel) * taps..][..taps];
                    for (value, weight) in window_at(input, plane, window, y, x).zip(weights) {
                        sum += value.unwrap_or(0.0) * f64::from(*weight);
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}
