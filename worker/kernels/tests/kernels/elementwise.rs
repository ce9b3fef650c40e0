//! The ops between convolutions.

use kernels::{Activation, Buffer, ChannelMap, Isa, Shape};

use crate::reference::{Noise, activate, assert_close, blocked, planar};

#[test]
fn activations_in_place_for_every_length() {
    for isa in Isa::available() {
        for len in 0..40 {
            let mut values = Noise::new(1).take(len);
            let expected: Vec<f64> = values.iter().map(|x| activate(Activation::Silu, f64::from(*x))).collect();
            kernels::activate(isa, Activation::Silu, &mut values);
            assert_close(&values, &expected, &format!("{isa:?} {len}"));
        }
    }
}

/// A sum, a product and a mean of images of this shape, on every instruction set.
pub fn check(shape: Shape) {
    let channels = shape.channels;
    for isa in Isa::available() {
        let mut noise = Noise::new(2);
        let (a, b) = (noise.take(shape.planar_len()), noise.take(shape.planar_len()));
        let factors = noise.take(channels);
        let what = format!("{isa:?} {shape:?}");

        for activation in [Activation::RELU, Activation::HardSwish] {
            let mut sum = blocked(shape, &a);
            kernels::add(isa, &mut sum, &blocked(shape, &b), activation);
            let expected: Vec<f64> =
                a.iter().zip(&b).map(|(a, b)| activate(activation, f64::from(*a) + f64::from(*b))).collect();
            assert_close(&planar(shape, &sum), &expected, &what);
        }

        let one = Shape::new(channels, 1, 1);
        let mut scaled = blocked(shape, &a);
        kernels::scale_channels(isa, shape, &mut scaled, &blocked(one, &factors));
        let scale = |(i, x): (usize, &f32)| f64::from(*x) * f64::from(factors[i / shape.pixels()]);
        let expected: Vec<f64> = a.iter().enumerate().map(scale).collect();
        assert_close(&planar(shape, &scaled), &expected, &what);

        let mut means = Buffer::zeroed(one.blocked_len());
        kernels::global_average(isa, shape, &blocked(shape, &a), &mut means);
        let mean = |plane: &[f32]| plane.iter().map(|x| f64::from(*x)).sum::<f64>() / shape.pixels() as f64;
        let expected: Vec<f64> = a.chunks(shape.pixels()).map(mean).collect();
        assert_close(&planar(one, &means), &expected, &what);
    }
}

#[test]
fn sums_products_and_means_by_channel() {
    for (channels, height, width) in [(1, 1, 1), (16, 7, 7), (20, 3, 5), (40, 112, 112)] {
        check(Shape::new(channels, height, width));
    }
}

#[test]
fn channels_are_shuffled_split_and_joined() {
    let (left, right) = (Shape::new(29, 3, 5), Shape::new(18, 3, 5));
    let mut noise = Noise::new(3);
    let (a, b) = (noise.take(left.planar_len()), noise.take(right.planar_len()));
    let sources: Vec<(usize, usize)> =
        (0..18).flat_map(|i| [(0, i), (1, i)]).chain((18..29).rev().map(|i| (0, i))).collect();
    let map = ChannelMap::new(&[left, right], &sources).expect("a map");
    let mut out = Buffer::zeroed(map.output().blocked_len());
    map.run(&[&blocked(left, &a), &blocked(right, &b)], &mut out);
    let expected: Vec<f32> =
        sources.iter().flat_map(|(input, channel)| [&a, &b][*input][channel * 15..][..15].to_vec()).collect();
    assert_eq!(planar(map.output(), &out), expected);
    assert!(out.iter().all(|value| !value.is_nan()));

    let message = ChannelMap::new(&[left], &[(0, 29)]).unwrap_err().to_string();
    assert!(message.contains("no channel 29 of image 0"), "{message}");
}
