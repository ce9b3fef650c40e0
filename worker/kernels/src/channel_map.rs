//! Moves channels: shuffles, splits and concatenations that do not fall on blocks. (Those that do are slices.)

use crate::layout::BLOCK;
use crate::shape::{Shape, Unsupported, check_len};

/// Output channel i is a channel of one of several blocked images of the same size.
#[derive(Debug, Clone)]
pub struct ChannelMap {
    inputs: Vec<Shape>,
    output: Shape,
    /// For each output channel: the input and its channel.
    sources: Vec<(usize, usize)>,
}

impl ChannelMap {
    /// `sources` has the input and its channel for each output channel.
    pub fn new(inputs: &[Shape], sources: &[(usize, usize)]) -> Result<Self, Unsupported> {
        let Some(first) = inputs.first() else {
            return Err(Unsupported::new("channels of no image"));
        };
        if let Some(other) = inputs.iter().find(|shape| (shape.height, shape.width) != (first.height, first.width)) {
            return Err(Unsupported::new(format!("channels of images of different sizes: {first:?} and {other:?}")));
        }
        let missing =
            |&&(input, channel): &&(usize, usize)| inputs.get(input).is_none_or(|shape| channel >= shape.channels);
        if let Some((input, channel)) = sources.iter().find(missing) {
            return Err(Unsupported::new(format!("there is no channel {channel} of image {input}")));
        }
        let output = Shape::new(sources.len(), first.height, first.width);
        Ok(Self { inputs: inputs.to_vec(), output, sources: sources.to_vec() })
    }

    /// The output.
    pub fn output(&self) -> Shape {
        self.output
    }

    /// Copies the channels; padding channels become zero.
    ///
    /// # Panics
    /// If the number of inputs or a length is not what the map was made for.
    pub fn run(&self, inputs: &[&[f32]], output: &mut [f32]) {
        assert!(inputs.len() == self.inputs.len(), "{} images for a map of {}", inputs.len(), self.inputs.len());
        for (input, shape) in inputs.iter().zip(&self.inputs) {
            check_len("an input of a channel map", input.len(), shape.blocked_len());
        }
        check_len("the output of a channel map", output.len(), self.output.blocked_len());
        let plane = self.output.plane();
        if plane == 0 {
            return;
        }
        // What padding channels read: any plane at lane 0, and cleared afterwards.
        for (to, sources) in output.chunks_exact_mut(plane).zip(self.sources.chunks(BLOCK)) {
            let mut planes = [(&inputs[0][..plane], 0); BLOCK];
            for (lane, (input, channel)) in planes.iter_mut().zip(sources) {
                *lane = (&inputs[*input][channel / BLOCK * plane..][..plane], channel % BLOCK);
            }
            for (i, pixel) in to.chunks_exact_mut(BLOCK).enumerate() {
                for (value, (from, lane)) in pixel.iter_mut().zip(&planes) {
                    *value = from[i * BLOCK + lane];
                }
                pixel[sources.len()..].fill(0.0);
            }
        }
    }
}
