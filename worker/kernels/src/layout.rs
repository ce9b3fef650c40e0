//! The blocked layout, and the way in and out of it.

use crate::shape::{Shape, check_len};

/// Channels of a block.
pub const BLOCK: usize = 16;

/// Planar (channel, row, pixel) to blocked (block, row, pixel, channel of the block). Padding channels become zero.
///
/// # Panics
/// If a slice does not have the length of `shape`.
pub fn to_blocked(shape: Shape, planar: &[f32], blocked: &mut [f32]) {
    check_len("the planar image", planar.len(), shape.planar_len());
    check_len("the blocked image", blocked.len(), shape.blocked_len());
    let pixels = shape.pixels();
    let blocks = planar.chunks(BLOCK * pixels).zip(blocked.chunks_exact_mut(BLOCK * pixels));
    for (channels, block) in blocks {
        if channels.len() < block.len() {
            block.fill(0.0);
        }
        for (lane, channel) in channels.chunks_exact(pixels).enumerate() {
            for (pixel, value) in block.chunks_exact_mut(BLOCK).zip(channel) {
                pixel[lane] = *value;
            }
        }
    }
}

/// Blocked to planar; padding channels are dropped.
///
/// # Panics
/// If a slice does not have the length of `shape`.
pub fn to_planar(shape: Shape, blocked: &[f32], planar: &mut [f32]) {
    check_len("the planar image", planar.len(), shape.planar_len());
    check_len("the blocked image", blocked.len(), shape.blocked_len());
    let pixels = shape.pixels();
    let blocks = planar.chunks_mut(BLOCK * pixels).zip(blocked.chunks_exact(BLOCK * pixels));
    for (channels, block) in blocks {
        for (lane, channel) in channels.chunks_exact_mut(pixels).enumerate() {
            for (pixel, value) in block.chunks_exact(BLOCK).zip(channel) {
                *value = pixel[lane];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_for_every_remainder() {
        for channels in [1, 3, 15, 16, 17, 33] {
            let shape = Shape::new(channels, 3, 5);
            let planar: Vec<f32> = (0..shape.planar_len()).map(|i| i as f32).collect();
            let mut blocked = vec![f32::NAN; shape.blocked_len()];
            to_blocked(shape, &planar, &mut blocked);
            for (i, value) in blocked.iter().enumerate() {
                let (block, pixel, lane) = (i / shape.plane(), i % shape.plane() / BLOCK, i % BLOCK);
                let channel = block * BLOCK + lane;
                let expected = if channel < channels { planar[channel * 15 + pixel] } else { 0.0 };
                assert_eq!(*value, expected);
            }
            let mut back = vec![f32::NAN; shape.planar_len()];
            to_planar(shape, &blocked, &mut back);
            assert_eq!(back, planar);
        }
    }
}
