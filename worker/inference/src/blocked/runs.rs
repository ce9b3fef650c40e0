//! Finds runs in the graph and puts an operator in the place of each.
//!
//! Every node has a depth: how often the way to it changes between nodes that are understood and nodes that are not.
//! All understood nodes of a depth are one run: whatever lies between two of them has their depth, too, so no value
//! leaves a run and comes back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kernels::{Isa, Shape};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::source::TypedSource;

use super::fuse::fuse;
use super::layer::{Id, Kind, Layer};
use super::lower::{Program, lower};
use super::op::Blocked;
use super::read::Reader;

/// The graph with an operator for each run. `is_large` tells the images that had better not be made as a whole.
pub(crate) fn rewrite(model: &TypedModel, isa: Isa, is_large: fn(Shape) -> bool) -> TractResult<TypedModel> {
    let (depths, readers) = depths(model)?;
    let mut runs: BTreeMap<usize, Run> = BTreeMap::new();
    for (depth, reader) in readers {
        let outputs = outputs(model, &depths, depth, &reader);
        match Run::new(isa, reader, outputs, is_large) {
            Ok(Some(run)) => drop(runs.insert(depth, run)),
            Ok(None) => (),
            Err(error) => tracing::debug!(%error, depth, "a run of layers stays tract's"),
        }
    }
    rewired(model, &depths, &runs)
}

/// Nodes that are understood have odd depths.
type Depths = HashMap<usize, usize>;

fn depths(model: &TypedModel) -> TractResult<(Depths, BTreeMap<usize, Reader>)> {
    let mut depths = Depths::new();
    let mut readers: BTreeMap<usize, Reader> = BTreeMap::new();
    for id in model.eval_order()? {
        let node = model.node(id);
        let before = node.inputs.iter().map(|input| depths[&input.node]).max();
        let depth = before.map_or(0, |depth| {
            let odd = depth | 1;
            let constant = node.outputs.iter().any(|output| output.fact.konst.is_some());
            let understood = !constant && readers.entry(odd).or_default().read(model, node).is_some();
            if understood { odd } else { depth.next_multiple_of(2) }
        });
        depths.insert(id, depth);
    }
    Ok((depths, readers))
}

/// The values of a run that others read.
fn outputs(model: &TypedModel, depths: &Depths, depth: usize, reader: &Reader) -> Vec<(OutletId, Id)> {
    let within = |outlet: &OutletId| depths.get(&outlet.node) == Some(&depth);
    let mut outputs: Vec<_> = reader
        .values
        .iter()
        .filter(|(outlet, _)| within(outlet))
        .filter(|(outlet, _)| {
            let readers = &model.node(outlet.node).outputs[outlet.slot].successors;
            model.outputs.contains(outlet) || readers.iter().any(|reader| depths.get(&reader.node) != Some(&depth))
        })
        .map(|(outlet, id)| (*outlet, *id))
        .collect();
    outputs.sort_unstable_by_key(|(outlet, _)| (outlet.node, outlet.slot));
    outputs
}

struct Run {
    program: Arc<Program>,
    outputs: Vec<OutletId>,
}

impl Run {
    /// `None` if nothing in it is worth the conversion.
    fn new(
        isa: Isa,
        reader: Reader,
        outputs: Vec<(OutletId, Id)>,
        is_large: fn(Shape) -> bool,
    ) -> Result<Option<Self>, kernels::Unsupported> {
        let (outlets, mut ids): (Vec<_>, Vec<_>) = outputs.into_iter().unzip();
        let layers = fuse(reader.layers, &mut ids, is_large);
        if !layers.iter().any(|layer| is_heavy(&layers, layer)) {
            return Ok(None);
        }
        let program = Arc::new(lower(isa, &layers, &ids)?);
        Ok(Some(Self { program, outputs: outlets }))
    }
}

/// Whether a layer by itself is worth two conversions. A depthwise one is not: it is bound by memory, and so are they. All
/// others are a quarter faster at least (`docs/BENCHMARKS.md`), so no model becomes slower than with tract alone.
fn is_heavy(layers: &[Layer], layer: &Layer) -> bool {
    match &layer.kind {
        Kind::Convolution(convolution) => {
            convolution.weights.len() > convolution.outputs && !convolution.is_depthwise(layers[layer.inputs[0]].shape)
        }
        Kind::Swept(_) => true,
        _ => false,
    }
}

fn rewired(model: &TypedModel, depths: &Depths, runs: &BTreeMap<usize, Run>) -> TractResult<TypedModel> {
    let mut order = model.eval_order()?;
    order.sort_by_key(|id| depths[id]);
    let mut rewired = TypedModel { symbols: model.symbols.clone(), ..TypedModel::default() };
    let mut outlets: HashMap<OutletId, OutletId> = HashMap::new();
    for input in &model.inputs {
        let node = model.node(input.node);
        outlets.insert(*input, rewired.add_source(&node.name, node.outputs[input.slot].fact.clone())?);
    }
    let mut done = HashSet::new();
    for id in order {
        let node = model.node(id);
        let Some((depth, run)) = runs.get_key_value(&depths[&id]) else {
            if !node.op_is::<TypedSource>() {
                let inputs: Vec<_> = node.inputs.iter().map(|input| outlets[input]).collect();
                let made = rewired.wire_node(&node.name, node.op.clone(), &inputs)?;
                outlets.extend(made.iter().enumerate().map(|(slot, made)| (OutletId::new(id, slot), *made)));
            }
            continue;
        };
        if done.insert(depth) {
            let facts = run.outputs.iter().map(|outlet| Ok(model.outlet_fact(*outlet)?.without_value()));
            let op = Blocked { program: run.program.clone(), facts: facts.collect::<TractResult<_>>()? };
            let inputs: Vec<_> = run.program.inputs.iter().map(|input| outlets[input]).collect();
            let made = rewired.wire_node(format!("blocked.{depth}"), op, &inputs)?;
            outlets.extend(run.outputs.iter().copied().zip(made));
        }
    }
    rewired.outputs = model.outputs.iter().map(|outlet| outlets[outlet]).collect();
    Ok(rewired)
}
