//! Reads concatenations, slices, reshapes and transpositions of channels: all are lists of where channels come from.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::DimLike;
use tract_onnx::tract_core::ops::array::StridedSlice;
use tract_onnx::tract_core::ops::change_axes::AxisOp;

use super::constant::{integers, is_channel_axis, tensor};
use super::layer::{Id, Kind};
use super::read::{Reader, dims};

impl Reader {
    pub(super) fn concatenation(&mut self, model: &TypedModel, node: &TypedNode, axis: usize) -> Option<Id> {
        let mut sources = Vec::new();
        for input in &node.inputs {
            let id = self.value(model, *input)?;
            let shape = self.shape(id);
            if !is_channel_axis(&dims(model, *input)?, shape, axis) {
                return None;
            }
            sources.extend((0..shape.channels).map(|channel| (id, channel)));
        }
        let first = self.shape(sources.first()?.0);
        let same = |id: Id| (self.shape(id).height, self.shape(id).width) == (first.height, first.width);
        sources.iter().all(|(id, _)| same(*id)).then(|| self.channels(&sources))
    }

    pub(super) fn slice(
        &mut self,
        model: &TypedModel,
        node: &TypedNode,
        axis: usize,
        range: std::ops::Range<usize>,
    ) -> Option<Id> {
        let id = self.value(model, node.inputs[0])?;
        let fits = is_channel_axis(&dims(model, node.inputs[0])?, self.shape(id), axis);
        let sources: Vec<_> = range.map(|channel| (id, channel)).collect();
        let exist = !sources.is_empty() && sources.iter().all(|(_, channel)| *channel < self.shape(id).channels);
        (fits && exist).then(|| self.channels(&sources))
    }

    /// ONNX's slice: the input, begin, end, axes, steps.
    pub(super) fn strided_slice(&mut self, model: &TypedModel, node: &TypedNode, op: &StridedSlice) -> Option<Id> {
        let input = |slot: Option<usize>| slot.and_then(|slot| node.inputs.get(slot)).copied();
        let lengths = dims(model, node.inputs[0])?;
        let [axis] = *integers(model, input(op.optional_axes_input)?)?.as_slice() else {
            return None;
        };
        let axis = usize::try_from(if axis < 0 { axis + lengths.len() as i64 } else { axis }).ok()?;
        let steps = match input(op.optional_steps_input) {
            Some(steps) => integers(model, steps)?,
            None => vec![1],
        };
        if steps != [1] || op.begin_mask != 0 || op.end_mask != 0 || op.shrink_axis_mask != 0 {
            return None;
        }
        let (begin, end) = (tensor(model, node.inputs[1])?, tensor(model, node.inputs[2])?);
        let length = lengths.get(axis)?.to_dim();
        let dim = op.prepare_one_dim(0, &length, &begin, &end, &[1]).ok()?;
        self.slice(model, node, axis, dim.begin.to_usize().ok()?..dim.end.to_usize().ok()?)
    }

    pub(super) fn axes(&mut self, model: &TypedModel, node: &TypedNode, op: &AxisOp) -> Option<Id> {
        let id = self.value(model, node.inputs[0])?;
        let AxisOp::Move(from, to) = *op else {
            return Some(id);
        };
        let lengths = dims(model, node.inputs[0])?;
        let passed = from.min(to)..from.max(to) + 1;
        if lengths[from] == 1 || passed.clone().all(|axis| axis == from || lengths[axis] == 1) {
            return Some(id);
        }
        // Only parts of the channel axis change places.
        let shape = self.shape(id);
        let split = (passed.end..=lengths.len()).find(|axis| {
            lengths[..*axis].iter().product::<usize>() == shape.channels
                && lengths[*axis..].iter().product::<usize>() == shape.pixels()
        })?;
        let mut order: Vec<usize> = (0..split).collect();
        order.remove(from);
        order.insert(to, from);
        let strides: Vec<usize> = (0..split).map(|axis| lengths[axis + 1..split].iter().product()).collect();
        let sources: Vec<_> = (0..shape.channels)
            .map(|channel| {
                let mut rest = channel;
                let parts = order.iter().rev().map(|axis| {
                    let at = rest % lengths[*axis];
                    rest /= lengths[*axis];
                    at * strides[*axis]
                });
                (id, parts.sum())
            })
            .collect();
        Some(self.channels(&sources))
    }

    /// The image with these channels. Maps of maps are one; all channels of an image in order are that image.
    fn channels(&mut self, sources: &[(Id, usize)]) -> Id {
        let origin = |(id, channel): (Id, usize)| match &self.layers[id].kind {
            Kind::Channels(map) => (self.layers[id].inputs[map[channel].0], map[channel].1),
            _ => (id, channel),
        };
        let sources: Vec<_> = sources.iter().map(|source| origin(*source)).collect();
        let (first, shape) = (sources[0].0, self.shape(sources[0].0));
        let itself = sources.iter().enumerate().all(|(i, source)| *source == (first, i));
        if itself && sources.len() == shape.channels {
            return first;
        }
        let mut inputs: Vec<Id> = Vec::new();
        let map = sources
            .iter()
            .map(|(id, channel)| {
                let known = inputs.iter().position(|input| input == id);
                let index = known.unwrap_or_else(|| {
                    inputs.push(*id);
                    inputs.len() - 1
                });
                (index, *channel)
            })
            .collect();
        let shape = kernels::Shape { channels: sources.len(), ..shape };
        self.push(Kind::Channels(map), inputs, shape)
    }
}
