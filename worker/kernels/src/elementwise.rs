//! Ops between convolutions: activations, residual sums, scaling by channel, the mean of an image.

use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::shape::{Shape, check_len};
use crate::table::Kernels;

/// Applies an activation to every value.
pub fn activate(isa: Isa, activation: Activation, values: &mut [f32]) {
    activate_with(isa.kernels(), activation, values);
}

pub(crate) fn activate_with(kernels: &Kernels, activation: Activation, values: &mut [f32]) {
    let whole = values.len() / BLOCK * BLOCK;
    let (values, rest) = values.split_at_mut(whole);
    // SAFETY: a whole number of blocks; the tables are of this processor.
    unsafe { (kernels.activate)(activation, values.as_mut_ptr(), whole) };
    let mut last = [0.0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    // SAFETY: one block.
    unsafe { (kernels.activate)(activation, last.as_mut_ptr(), BLOCK) };
    rest.copy_from_slice(&last[..rest.len()]);
}

/// Adds `other` to `image` and applies an activation; both blocked, or both of any other layout whose length is a
/// multiple of 16.
///
/// # Panics
/// If the lengths differ or are no multiple of 16.
pub fn add(isa: Isa, image: &mut [f32], other: &[f32], activation: Activation) {
    check_len("the second summand", other.len(), image.len());
    assert!(image.len().is_multiple_of(BLOCK), "{} floats are not a whole number of blocks", image.len());
    let kernels = isa.kernels();
    let image_start = image.as_mut_ptr();
    // SAFETY: equal lengths, whole blocks; the tables are of this processor.
    unsafe {
        (kernels.add)(image_start, other.as_ptr(), image_start, image.len(), activation.clamp());
        if activation.needs_pass() {
            (kernels.activate)(activation, image_start, image.len());
        }
    }
}

/// Multiplies each channel of a blocked image by its factor (`factors` blocked: one pixel).
///
/// # Panics
/// If a slice does not have the length that the shape implies.
pub fn scale_channels(isa: Isa, shape: Shape, image: &mut [f32], factors: &[f32]) {
    check_len("the image to scale", image.len(), shape.blocked_len());
    check_len("the factors", factors.len(), shape.blocks() * BLOCK);
    let planes = image.chunks_exact_mut(shape.plane().max(1));
    for (plane, factors) in planes.zip(factors.chunks_exact(BLOCK)) {
        // SAFETY: a plane of `pixels` blocks, a block of factors; the tables are of this processor.
        unsafe { (isa.kernels().scale)(plane.as_mut_ptr(), factors.as_ptr(), shape.pixels()) };
    }
}

/// The mean of each channel of a blocked image (`means` blocked: one pixel).
///
/// # Panics
/// If a slice does not have the length that the shape implies, or the image has no pixels.
pub fn global_average(isa: Isa, shape: Shape, image: &[f32], means: &mut [f32]) {
    check_len("the image to average", image.len(), shape.blocked_len());
    check_len("the means", means.len(), shape.blocks() * BLOCK);
    assert!(shape.pixels() > 0, "an image without pixels has no mean");
    for (plane, means) in image.chunks_exact(shape.plane()).zip(means.chunks_exact_mut(BLOCK)) {
        // SAFETY: a plane of `pixels` blocks, a block of means; the tables are of this processor.
        unsafe { (isa.kernels().mean)(plane.as_ptr(), means.as_mut_ptr(), shape.pixels()) };
    }
}
