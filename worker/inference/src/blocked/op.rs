//! The operator that runs a program inside of tract.

use std::fmt;
use std::ops::Range;

use kernels::{Buffer, activate, add, global_average, scale_channels, to_blocked, to_planar};
use tract_onnx::tract_core::internal::*;

use super::lower::{From, Program, Step, Work};

/// A run of layers as one operator.
#[derive(Clone)]
pub(crate) struct Blocked {
    pub program: Arc<Program>,
    /// What it makes, as tract sees it.
    pub facts: TVec<TypedFact>,
}

/// A session's memory: made by its first image, kept for the next.
#[derive(Debug, Clone, Default)]
struct Memory {
    values: Buffer,
    scratch: Buffer,
}

impl fmt::Debug for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocked({} steps, {:?})", self.program.steps.len(), self.program.isa)
    }
}

impl PartialEq for Blocked {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.program, &other.program)
    }
}

impl Eq for Blocked {}

impl Op for Blocked {
    fn name(&self) -> StaticName {
        "Blocked".into()
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for Blocked {
    not_out_of_plan!();

    fn state(&self, _ctx: &EvalContext<'_>) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(Memory::default())))
    }
}

impl TypedOp for Blocked {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(self.facts.clone())
    }

    as_op!();
}

impl OpState for Memory {
    fn eval(&mut self, _ctx: &EvalContext<'_>, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let op = op.downcast_ref::<Blocked>().context("the memory of another operator")?;
        let inputs: Vec<_> = inputs.iter().map(|input| input.try_as_plain_ram()).collect::<TractResult<_>>()?;
        let inputs: Vec<&[f32]> = inputs.iter().map(|input| input.as_slice::<f32>()).collect::<TractResult<_>>()?;
        let values = self.values.at_least(op.program.len);
        for step in &op.program.steps {
            run(&op.program, step, &inputs, values, &mut self.scratch);
        }
        let outputs = op.program.outputs.iter().zip(&op.facts).map(|((shape, range), fact)| {
            let dims = fact.shape.as_concrete().context("a shape that is not known")?;
            let mut tensor = Tensor::zero::<f32>(dims)?;
            to_planar(*shape, &values[range.clone()], tensor.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?);
            Ok(tensor.into_tvalue())
        });
        outputs.collect()
    }

    fn reset_lanes(&mut self, _lanes: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}

fn run(program: &Program, step: &Step, inputs: &[&[f32]], values: &mut [f32], scratch: &mut Buffer) {
    let isa = program.isa;
    let (output, rest) = Rest::without(values, &step.to);
    let source = |from| match from {
        &From::Input(number) => inputs[number],
        From::Memory(range) => rest.at(range),
    };
    match &step.work {
        Work::Import(number, shape) => to_blocked(*shape, inputs[*number], output),
        Work::Convolution { op, from, residual } => {
            op.run(source(from), residual.as_ref().map(|range| rest.at(range)), output, scratch);
        }
        Work::Sweep { op, from } => op.run(source(from), output, scratch),
        Work::Bottleneck { op, from, residual } => {
            op.run(source(from), residual.as_ref().map(|range| rest.at(range)), output, scratch);
        }
        Work::Mean { shape, from } => global_average(isa, *shape, rest.at(from), output),
        Work::Activate { activation, from } => {
            rest.copy(from, &step.to, output);
            activate(isa, *activation, output);
        }
        Work::Add { from: [left, right], activation } => {
            rest.copy(left, &step.to, output);
            add(isa, output, rest.at(right), *activation);
        }
        Work::Scale { shape, from, factors } => {
            rest.copy(from, &step.to, output);
            scale_channels(isa, *shape, output, rest.at(factors));
        }
        Work::Channels { map, from } => {
            let from: Vec<_> = from.iter().map(|range| rest.at(range)).collect();
            map.run(&from, output);
        }
    }
}

/// The memory around the range that a step writes.
struct Rest<'a> {
    before: &'a [f32],
    after: &'a [f32],
    /// Where `after` begins.
    end: usize,
}

impl<'a> Rest<'a> {
    fn without(values: &'a mut [f32], range: &Range<usize>) -> (&'a mut [f32], Self) {
        let (values, after) = values.split_at_mut(range.end);
        let (before, output) = values.split_at_mut(range.start);
        (output, Self { before, after, end: range.end })
    }

    fn at(&self, range: &Range<usize>) -> &'a [f32] {
        if range.start < self.end {
            &self.before[range.clone()]
        } else {
            &self.after[range.start - self.end..range.end - self.end]
        }
    }

    /// Brings an operand to the output, unless it is there already.
    fn copy(&self, from: &Range<usize>, to: &Range<usize>, output: &mut [f32]) {
        if from != to {
            output.copy_from_slice(self.at(from));
        }
    }
}
