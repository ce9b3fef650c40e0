//! An ONNX graph as read from the package, checked against `model.toml` and pinned to one image and one output.
//!
//! Everything a user can get wrong is found here, on the protobuf, where names are still theirs.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use models::{Layout, ModelSpec, OnnxSource};
use tract_onnx::Onnx;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as Dim};
use tract_onnx::pb::type_proto::Value as Type;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, ValueInfoProto};
use tract_onnx::prelude::Framework;

use crate::error::Problem;
use crate::{batch, half};

/// A graph with one input `[1, …]`, whose shape is what `model.toml` implies, and one output.
pub(crate) struct Graph {
    pub(crate) proto: ModelProto,
    /// Directory of the external data.
    pub(crate) dir: Option<String>,
    pub(crate) output: String,
    /// The batch size that the graph was exported for, if it is not 1 or dynamic.
    pub(crate) foreign_batch: Option<i64>,
}

impl Graph {
    /// Reads the graph and pins it to what `spec` says.
    pub(crate) fn read(onnx: &Onnx, source: OnnxSource<'_>, spec: &ModelSpec) -> Result<Self, Problem> {
        let (mut proto, dir) = match source {
            OnnxSource::File(path) => {
                // Not mapped: the pages of a mapped file count as memory of this process, and a file that somebody shortens
                // meanwhile would end it.
                let proto =
                    File::open(path).map_err(Into::into).and_then(|mut file| onnx.proto_model_for_read(&mut file));
                let proto = proto.map_err(|error| Problem::NotOnnx(format!("{error:#}")))?;
                (proto, Some(path.parent().unwrap_or(Path::new(""))))
            }
            OnnxSource::Bytes(mut bytes) => {
                let proto = onnx.proto_model_for_read(&mut bytes);
                (proto.map_err(|error| Problem::NotOnnx(format!("{error:#}")))?, None)
            }
        };
        let graph = proto.graph.as_mut().ok_or_else(|| Problem::NotOnnx("it has no graph; is the file cut?".into()))?;
        known_ops(onnx, graph)?;
        known_names(graph)?;
        external_data(graph, dir)?;
        let foreign_batch = pin_input(graph, spec)?;
        if let Some(batch) = foreign_batch {
            batch::forget(graph, batch);
        }
        let output = pin_output(graph, spec)?;
        half::widen(graph, dir)?;
        // Shapes of intermediate values are those of the export, not of one image of this size.
        graph.value_info.clear();
        Ok(Self { proto, dir: dir.map(|dir| dir.to_string_lossy().into_owned()), output, foreign_batch })
    }
}

fn known_ops(onnx: &Onnx, graph: &GraphProto) -> Result<(), Problem> {
    let unknown = graph.node.iter().filter(|node| !onnx.op_register.0.contains_key(&node.op_type));
    let mut names: Vec<_> = unknown.map(op_name).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { Ok(()) } else { Err(Problem::UnsupportedOps(names)) }
}

fn op_name(node: &NodeProto) -> String {
    if node.domain.is_empty() { node.op_type.clone() } else { format!("{}.{}", node.domain, node.op_type) }
}

/// Every value that is used must come from somewhere.
fn known_names(graph: &GraphProto) -> Result<(), Problem> {
    let initializers = graph.initializer.iter().map(|tensor| &tensor.name);
    let inputs = graph.input.iter().map(|input| &input.name);
    let computed = graph.node.iter().flat_map(|node| &node.output);
    let known: HashSet<_> = initializers.chain(inputs).chain(computed).collect();
    let used = graph.node.iter().flat_map(|node| &node.input).chain(graph.output.iter().map(|output| &output.name));
    match used.filter(|name| !name.is_empty()).find(|name| !known.contains(name)) {
        Some(name) => Err(Problem::NotOnnx(format!("nothing computes the value {name:?}"))),
        None => Ok(()),
    }
}

fn external_data(graph: &GraphProto, dir: Option<&Path>) -> Result<(), Problem> {
    let constants = graph.node.iter().flat_map(|node| &node.attribute).filter_map(|attribute| attribute.t.as_ref());
    let tensors = graph.initializer.iter().chain(constants);
    let files: HashSet<_> = tensors.filter_map(location).collect();
    for file in files {
        let wrong = |reason: &str| Err(Problem::ExternalData { file: file.to_owned(), reason: reason.to_owned() });
        let Some(dir) = dir else {
            return wrong("a built-in package is one file; save the graph with its weights inside");
        };
        if Path::new(file).file_name().is_none_or(|name| name != file) {
            return wrong("a package is flat; save the weights beside model.onnx");
        }
        if !dir.join(file).is_file() {
            return wrong("the package has no such file; copy it beside model.onnx, under this name");
        }
    }
    Ok(())
}

/// The file that holds the values of `tensor`, if it is not in the graph itself.
fn location(tensor: &TensorProto) -> Option<&str> {
    let external = tensor.data_location == Some(DataLocation::External as i32);
    let entry = tensor.external_data.iter().find(|entry| external && entry.key == "location");
    entry.map(|entry| entry.value.as_str())
}

/// Leaves one input, of the shape that `model.toml` implies for one image. Returns the batch size that it had,
/// if that was fixed and not 1.
fn pin_input(graph: &mut GraphProto, spec: &ModelSpec) -> Result<Option<i64>, Problem> {
    // Old exporters list the weights as inputs; others list inputs that nothing uses.
    let initializers: HashSet<_> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let used: HashSet<_> = graph.node.iter().flat_map(|node| &node.input).map(String::as_str).collect();
    let real =
        |input: &&ValueInfoProto| !initializers.contains(input.name.as_str()) && used.contains(input.name.as_str());
    let names: Vec<_> = graph.input.iter().filter(real).map(|input| input.name.clone()).collect();
    let name = match (&spec.input.name, names.as_slice()) {
        (Some(name), names) if !names.contains(name) => {
            return Err(Problem::NoSuchInput { name: name.clone(), inputs: names.to_vec() });
        }
        (_, [name]) => name.clone(),
        (_, []) => return Err(Problem::NotOnnx("no operator uses an input".into())),
        (_, names) => return Err(Problem::SeveralInputs(names.to_vec())),
    };
    graph.input.retain(|input| input.name == name || initializer_named(&graph.initializer, &input.name));
    let input = graph.input.iter_mut().find(|input| input.name == name);
    let tensor = match input.and_then(|input| input.r#type.as_mut()).and_then(|kind| kind.value.as_mut()) {
        Some(Type::TensorType(tensor)) => tensor,
        None => return Err(Problem::InputType { input: name, kind: "none".into() }),
    };
    let kind = DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined);
    if !matches!(kind, DataType::Float | DataType::Float16) {
        return Err(Problem::InputType { input: name, kind: kind.as_str_name().to_lowercase() });
    }
    tensor.elem_type = DataType::Float as i32;
    let shape = input_shape(spec);
    let declared = tensor.shape.replace(to_proto(shape)).map(|declared| declared.dim).unwrap_or_default();
    if !declared.is_empty() && !fits(&declared, shape) {
        let wanted = format!("[N, {}, {}, {}] ({:?})", shape[1], shape[2], shape[3], spec.input.layout);
        return Err(Problem::InputShape { input: name, graph: shown(&declared), wanted: wanted.to_uppercase() });
    }
    Ok(declared.first().and_then(fixed).filter(|batch| *batch > 1))
}

fn initializer_named(initializers: &[TensorProto], name: &str) -> bool {
    initializers.iter().any(|tensor| tensor.name == name)
}

/// Shape of the input tensor of one image.
pub(crate) fn input_shape(spec: &ModelSpec) -> [usize; 4] {
    let (channels, height, width) =
        (spec.input.channels.count(), spec.input.height as usize, spec.input.width as usize);
    match spec.input.layout {
        Layout::Nchw => [1, channels, height, width],
        Layout::Nhwc => [1, height, width, channels],
    }
}

/// The length of an axis, if the graph fixes it.
fn fixed(dim: &Dimension) -> Option<i64> {
    match dim.value {
        Some(Dim::DimValue(value)) if value > 0 => Some(value),
        _ => None,
    }
}

/// Whether an input declared like this takes `shape`, batch size aside.
fn fits(declared: &[Dimension], shape: [usize; 4]) -> bool {
    let axis_fits = |(dim, wanted): (&Dimension, &usize)| fixed(dim).is_none_or(|have| have == *wanted as i64);
    declared.len() == shape.len() && declared.iter().zip(&shape).skip(1).all(axis_fits)
}

fn shown(dims: &[Dimension]) -> String {
    let axis = |dim: &Dimension| match &dim.value {
        Some(Dim::DimValue(value)) => value.to_string(),
        Some(Dim::DimParam(name)) => name.clone(),
        None => "?".into(),
    };
    format!("[{}]", dims.iter().map(axis).collect::<Vec<_>>().join(", "))
}

fn to_proto(shape: [usize; 4]) -> TensorShapeProto {
    let dim = |length| Dimension { value: Some(Dim::DimValue(length as i64)), ..Dimension::default() };
    TensorShapeProto { dim: shape.into_iter().map(dim).collect() }
}

/// Leaves one output and returns its name: what only others need is never computed.
fn pin_output(graph: &mut GraphProto, spec: &ModelSpec) -> Result<String, Problem> {
    let names: Vec<_> = graph.output.iter().map(|output| output.name.clone()).collect();
    let name = match (&spec.output.name, names.as_slice()) {
        (Some(name), names) if !names.contains(name) => {
            return Err(Problem::NoSuchOutput { name: name.clone(), outputs: names.to_vec() });
        }
        (Some(name), _) | (None, [name]) => name.clone(),
        (None, []) => return Err(Problem::NotOnnx("it has no output".into())),
        (None, names) => return Err(Problem::SeveralOutputs(names.to_vec())),
    };
    graph.output.retain(|output| output.name == name);
    Ok(name)
}
