//! Half-precision graphs, widened to float32: every CPU computes that faster, and better.
//!
//! Weights are widened, casts to float16 become casts to float32; values of the two types are never told apart after.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};
use tract_onnx::prelude::f16;

use crate::error::Problem;

const HALF: i32 = DataType::Float16 as i32;
const SINGLE: i32 = DataType::Float as i32;

/// Makes every float16 value of the graph a float32 one. `dir` is where external data lies.
pub(crate) fn widen(graph: &mut GraphProto, dir: Option<&Path>) -> Result<(), Problem> {
    graph.initializer.iter_mut().try_for_each(|tensor| widen_tensor(tensor, dir))?;
    graph.node.iter_mut().try_for_each(|node| widen_node(node, dir))
}

fn widen_node(node: &mut NodeProto, dir: Option<&Path>) -> Result<(), Problem> {
    for attribute in &mut node.attribute {
        if node.op_type == "Cast" && attribute.name == "to" && attribute.i == i64::from(HALF) {
            attribute.i = i64::from(SINGLE);
        }
        attribute.t.iter_mut().try_for_each(|tensor| widen_tensor(tensor, dir))?;
        attribute.g.iter_mut().try_for_each(|graph| widen(graph, dir))?;
    }
    Ok(())
}

fn widen_tensor(tensor: &mut TensorProto, dir: Option<&Path>) -> Result<(), Problem> {
    if tensor.data_type != HALF {
        return Ok(());
    }
    if tensor.data_location == Some(DataLocation::External as i32) {
        tensor.raw_data =
            external_bytes(tensor, dir.unwrap_or(Path::new(""))).map_err(|error| Problem::ExternalData {
                file: entry(tensor, "location").unwrap_or_default().into(),
                reason: error.to_string(),
            })?;
        tensor.data_location = None;
        tensor.external_data.clear();
    }
    // Without raw bytes, the bits of each value are in one int32.
    let unpacked = tensor.int32_data.iter().map(|bits| f16::from_bits(*bits as u16));
    let raw = tensor.raw_data.as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair));
    let mut widened = Vec::with_capacity(4 * tensor.int32_data.len() + 2 * tensor.raw_data.len());
    unpacked.chain(raw).for_each(|value| widened.extend_from_slice(&value.to_f32().to_le_bytes()));
    (tensor.raw_data, tensor.int32_data) = (widened, Vec::new());
    tensor.data_type = SINGLE;
    Ok(())
}

/// The values of a tensor that lie in another file.
fn external_bytes(tensor: &TensorProto, dir: &Path) -> io::Result<Vec<u8>> {
    let number = |key| match entry(tensor, key).map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(io::Error::other(format!("the {key} of {:?} is no number", tensor.name))),
    };
    let mut file = File::open(dir.join(entry(tensor, "location").unwrap_or_default()))?;
    file.seek(SeekFrom::Start(number("offset")?.unwrap_or(0)))?;
    let length = number("length")?;
    let mut bytes = Vec::new();
    file.take(length.unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    match length {
        Some(length) if length != bytes.len() as u64 => Err(io::Error::other("the file is cut short; copy it again")),
        _ => Ok(bytes),
    }
}

fn entry<'a>(tensor: &'a TensorProto, key: &str) -> Option<&'a str> {
    tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::StringStringEntryProto;

    const VALUES: [f32; 3] = [1.5, -0.25, 65504.0];

    fn half(fill: impl FnOnce(&mut TensorProto, Vec<u8>)) -> TensorProto {
        let mut tensor = TensorProto { data_type: HALF, dims: vec![3], ..TensorProto::default() };
        fill(&mut tensor, VALUES.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect());
        tensor
    }

    fn widened(mut tensor: TensorProto, dir: Option<&Path>) -> Vec<f32> {
        widen_tensor(&mut tensor, dir).unwrap();
        assert_eq!(tensor.data_type, SINGLE);
        tensor.raw_data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    #[test]
    fn values_are_widened_wherever_they_are_kept() {
        let raw = half(|tensor, bytes| tensor.raw_data = bytes);
        assert_eq!(widened(raw, None), VALUES);
        let unpacked = half(|tensor, bytes| {
            let pairs = bytes.as_chunks::<2>().0.iter();
            tensor.int32_data = pairs.map(|pair| i32::from(u16::from_le_bytes(*pair))).collect();
        });
        assert_eq!(widened(unpacked, None), VALUES);

        let dir = tempfile::tempdir().unwrap();
        let external = half(|tensor, bytes| {
            std::fs::write(dir.path().join("data"), [&[0; 8], bytes.as_slice(), &[9; 4]].concat()).unwrap();
            tensor.data_location = Some(DataLocation::External as i32);
            let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
            tensor.external_data = vec![entry("location", "data"), entry("offset", "8"), entry("length", "6")];
        });
        assert_eq!(widened(external, Some(dir.path())), VALUES);
    }
}
