//! Graphs exported for a fixed batch of several images, made fit for one.
//!
//! Tracing exporters write the batch size as a number into the target shapes of `Reshape` and `Expand`. There it
//! becomes 1. Should a 4 that meant something else be hit, shapes stop fitting or the golden scores differ, and the
//! package is refused; it never runs wrongly in silence.

use std::collections::HashSet;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, TensorProto};

/// Replaces `batch` by 1 where it leads the target shape of a `Reshape` or `Expand`.
pub(crate) fn forget(graph: &mut GraphProto, batch: i64) {
    let targets: HashSet<String> = graph
        .node
        .iter()
        .filter(|node| matches!(node.op_type.as_str(), "Reshape" | "Expand"))
        .filter_map(|node| node.input.get(1).cloned())
        .collect();
    for tensor in graph.initializer.iter_mut().filter(|tensor| targets.contains(&tensor.name)) {
        lead_with_one(tensor, batch);
    }
    let constants = graph.node.iter_mut().filter(|node| node.op_type == "Constant");
    for node in constants.filter(|node| node.output.iter().any(|output| targets.contains(output))) {
        for attribute in &mut node.attribute {
            attribute.t.iter_mut().for_each(|tensor| lead_with_one(tensor, batch));
            attribute.ints.first_mut().filter(|first| **first == batch).into_iter().for_each(|first| *first = 1);
        }
    }
}

fn lead_with_one(tensor: &mut TensorProto, batch: i64) {
    if tensor.data_type != DataType::Int64 as i32 {
        return;
    }
    if let Some(first) = tensor.int64_data.first_mut().filter(|first| **first == batch) {
        *first = 1;
    }
    if let Some(first) = tensor.raw_data.first_chunk_mut().filter(|first| **first == batch.to_le_bytes()) {
        *first = 1i64.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::NodeProto;

    fn shape(name: &str, values: &[i64]) -> TensorProto {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        TensorProto { name: name.into(), data_type: DataType::Int64 as i32, raw_data, ..TensorProto::default() }
    }

    #[test]
    fn only_leading_batches_of_target_shapes_change() {
        let reshape =
            NodeProto { op_type: "Reshape".into(), input: vec!["x".into(), "target".into()], ..NodeProto::default() };
        let initializer = vec![shape("target", &[4, 4]), shape("other", &[4, 4])];
        let mut graph = GraphProto { node: vec![reshape], initializer, ..GraphProto::default() };
        forget(&mut graph, 4);
        assert_eq!(graph.initializer, [shape("target", &[1, 4]), shape("other", &[4, 4])]);
    }
}
