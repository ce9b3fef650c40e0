//! From an ONNX graph to a plan that runs it for one image: parse, type, put kernels in, declutter, optimise.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kernels::Isa;
use models::{ModelSpec, OnnxSource};
use tract_onnx::Onnx;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::optim::Optimizer;

use crate::engine::Engine;
use crate::error::Problem;
use crate::graph::Graph;
use crate::{blocked, dense};

/// A graph ready to run; shared by all threads.
pub(crate) type Plan = Arc<TypedSimplePlan>;

/// The plan for one image, and the number of classes.
///
/// The protobuf is dropped before weights are copied into the order of kernels and optimiser; afterwards one copy is
/// left. Should the kernels not take the graph, tract computes all of it.
pub(crate) fn compile(source: OnnxSource<'_>, spec: &ModelSpec, engine: Engine) -> Result<(Plan, usize), Problem> {
    let onnx =
        tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_output_types(true).with_ignore_value_info(true);
    let graph = contained(|| Graph::read(&onnx, source, spec)).map_err(Problem::NotOnnx).flatten()?;
    let (output, foreign_batch) = (graph.output.clone(), graph.foreign_batch);
    let reject = |reason| match foreign_batch {
        Some(batch) => Problem::FixedBatch { batch, reason },
        None => Problem::Rejected(reason),
    };
    let model = attempt(|| parse(&onnx, graph)?.into_typed()).map_err(reject)?;
    let finish = |model: TypedModel, isa: Option<Isa>| {
        let model = attempt(|| {
            let model = model.into_decluttered()?;
            match isa {
                Some(isa) => dense::rewrite(model, isa),
                None => Ok(model),
            }
        });
        let model = model.map_err(reject)?;
        let classes = classes(&model, &output)?;
        let plan = attempt(|| {
            let mut model = model;
            model.optimize()?;
            TypedSimplePlan::new(model)
        });
        Ok((plan.map_err(reject)?, classes))
    };
    if let Engine::Kernels(isa) = engine {
        let rewritten = attempt(|| {
            let mut model = model.clone();
            Optimizer::prop_consts().optimize(&mut model)?;
            blocked::rewrite(&model, isa)
        });
        match rewritten.map_err(Problem::Rejected).and_then(|model| finish(model, Some(isa))) {
            Ok(done) => return Ok(done),
            Err(problem) => tracing::debug!(%problem, "all layers stay tract's"),
        }
    }
    finish(model, None)
}

fn parse(onnx: &Onnx, graph: Graph) -> TractResult<InferenceModel> {
    Ok(onnx.parse(&graph.proto, graph.dir.as_deref())?.model)
}

/// Length of the only axis of the output that is longer than 1.
fn classes(model: &TypedModel, output: &str) -> Result<usize, Problem> {
    let fact = model.output_fact(0).map_err(|error| Problem::Rejected(reason(&error)))?;
    let wrong = || Problem::OutputShape { output: output.to_owned(), shape: format!("{:?}", fact.shape) };
    let shape = fact.shape.as_concrete().ok_or_else(wrong)?;
    let long: Vec<_> = shape.iter().copied().filter(|length| *length != 1).collect();
    match (fact.datum_type == f32::datum_type(), shape.first(), long.as_slice()) {
        (true, _, []) => Ok(1),
        (true, Some(1), [classes]) if *classes > 0 => Ok(*classes),
        (true, Some(_), [classes]) if shape.len() == 1 => Ok(*classes),
        _ => Err(wrong()),
    }
}

/// Runs a step of the library; its errors and panics become a reason.
pub(crate) fn attempt<T>(step: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    contained(step)?.map_err(|error| reason(&error))
}

/// Runs `step`; a panic becomes a reason. A graph is input: whatever it makes the library do must not end the worker.
fn contained<T>(step: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|panic| panic_message(&*panic))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    message.unwrap_or("it panicked without a message").to_owned()
}

/// The chain of causes on one line, cut to a length that a person reads: the library prints whole operators.
fn reason(error: &TractError) -> String {
    const LONGEST: usize = 600;
    let text = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
