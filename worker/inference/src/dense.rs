//! Products of rows with constant matrices, which is what transformers are made of, computed by the kernels.
//!
//! Works on the decluttered graph, where exporters' spellings are gone: a product, the bias after it and the GELU after
//! that become one operator.

use std::fmt;
use std::sync::Arc;

use kernels::{Activation, Buffer, Isa, Product, ProductSpec};
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::Add;
use tract_onnx::tract_core::ops::nn::GeluExact;

/// Fewer rows than this are left to tract: one row is bound by memory, whoever computes it.
const ROWS: usize = 8;

/// The same graph with our operator in the place of every product that it can compute.
pub(crate) fn rewrite(mut model: TypedModel, isa: Isa) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        if let Some(patch) = Found::at(&model, id).and_then(|found| found.patch(&model, isa)) {
            patch.apply(&mut model)?;
        }
    }
    model.compact()?;
    Ok(model)
}

/// A product that the kernels compute.
struct Found {
    rows: OutletId,
    inputs: usize,
    outputs: usize,
    matrix: Arc<Tensor>,
    /// Whether the matrix has a row for each output.
    transposed: bool,
    bias: Option<Arc<Tensor>>,
    activation: Activation,
    /// The last node that it stands for.
    last: usize,
}

impl Found {
    /// A product at node `id` of rows (all axes but the last) and a constant matrix, with its axes in order.
    fn at(model: &TypedModel, id: usize) -> Option<Self> {
        let node = model.node(id);
        let op = node.op_as::<EinSum>().filter(|op| op.q_params.is_none())?;
        let [a, b] = *node.inputs.as_slice() else {
            return None;
        };
        let swapped = konst(model, a).is_some();
        let (rows, matrix) = if swapped { (a, konst(model, a)?) } else { (b, konst(model, b)?) };
        let (rows, of_rows, of_matrix) = if rows == a { (b, 1, 0) } else { (a, 0, 1) };
        let facts = [model.outlet_fact(rows).ok()?, model.outlet_fact(id.into()).ok()?];
        if facts.iter().any(|fact| fact.datum_type != f32::datum_type()) || matrix.datum_type() != f32::datum_type() {
            return None;
        }
        let (from, to) = (facts[0].shape.as_concrete()?, facts[1].shape.as_concrete()?);
        let (mut summed, mut kept, mut column) = (Vec::new(), Vec::new(), None);
        for axis in op.axes.iter_all_axes() {
            match (axis.inputs[of_rows].as_slice(), axis.inputs[of_matrix].as_slice(), axis.outputs[0].as_slice()) {
                ([at], [row], []) => summed.push((*at, *row)),
                ([], [at], [last]) if column.is_none() => column = Some((*at, *last)),
                ([at], [], [to]) => kept.push((*at, *to)),
                // Axes of length 1 move nothing.
                ([at], [], []) if from[*at] == 1 => (),
                ([], [at], []) if matrix.shape()[*at] == 1 => (),
                ([], [], [at]) if to[*at] == 1 => (),
                _ => return None,
            }
        }
        let (column, last) = column?;
        kept.retain(|(at, _)| from[*at] != 1);
        kept.sort_unstable();
        summed.retain(|(at, _)| from[*at] != 1);
        summed.sort_unstable();
        let (first, row) = *summed.first()?;
        // Rows lie one after the other, here and there; so do the rows or the columns of the matrix.
        let in_order = kept.is_sorted_by_key(|(_, to)| *to)
            && summed.is_sorted_by_key(|(_, row)| *row)
            && kept.iter().all(|(at, to)| *at < first && *to < last)
            && summed.iter().all(|(_, other)| (*other < column) == (row < column));
        if !in_order {
            return None;
        }
        let inputs: usize = summed.iter().map(|(at, _)| from[*at]).product();
        let outputs = matrix.shape()[column];
        let lines = from.iter().product::<usize>() / inputs.max(1);
        if lines < ROWS || matrix.len() != inputs * outputs || to.iter().product::<usize>() != lines * outputs {
            return None;
        }
        let transposed = column < row;
        let found =
            Self { rows, inputs, outputs, matrix, transposed, bias: None, activation: Activation::None, last: id };
        Some(found.with_bias(model, to).with_gelu(model))
    }

    /// With a constant that is added to every row, if one follows.
    fn with_bias(self, model: &TypedModel, shape: &[usize]) -> Self {
        let bias = || {
            let next = model.single_succ(self.last).ok()??;
            next.op_as::<TypedBinOp>().filter(|op| op.0.is::<Add>())?;
            let bias = next.inputs.iter().find_map(|input| konst(model, *input))?;
            let own = model.outlet_fact(next.id.into()).ok()?.shape.as_concrete()?;
            let along_rows = bias.rank() == shape.len()
                && bias.len() == self.outputs
                && bias
                    .shape()
                    .iter()
                    .zip(shape)
                    .all(|(own, length)| *own == 1 || own == length && *own == self.outputs)
                && bias.datum_type() == f32::datum_type();
            // Which of two axes of that length is meant does not matter: only the columns may be it.
            let columns = shape.iter().rposition(|length| *length != 1)?;
            (along_rows && bias.shape()[columns] == self.outputs && own == shape).then_some((bias, next.id))
        };
        match bias() {
            Some((bias, last)) => Self { bias: Some(bias), last, ..self },
            None => self,
        }
    }

    fn with_gelu(self, model: &TypedModel) -> Self {
        let gelu = |node: &TypedNode| node.op_as::<ElementWiseOp>().is_some_and(|op| op.0.is::<GeluExact>());
        match model.single_succ(self.last) {
            Ok(Some(next)) if gelu(next) && !model.outputs.contains(&self.last.into()) => {
                Self { activation: Activation::Gelu, last: next.id, ..self }
            }
            _ => self,
        }
    }

    fn patch(&self, model: &TypedModel, isa: Isa) -> Option<TypedModelPatch> {
        let bias = match &self.bias {
            Some(bias) => Some(floats(bias)?),
            None => None,
        };
        let spec = ProductSpec {
            inputs: self.inputs,
            outputs: self.outputs,
            weights: floats(&self.matrix)?,
            transposed: self.transposed,
            bias,
            activation: self.activation,
        };
        let product = Arc::new(Product::new(isa, &spec).ok()?);
        let fact = model.outlet_fact(self.last.into()).ok()?.without_value();
        let op = Dense { product, shape: (self.inputs, self.outputs), fact };
        let mut patch = TypedModelPatch::default();
        let rows = patch.tap_model(model, self.rows).ok()?;
        let name = format!("{}.dense", model.node(self.last).name);
        let made = patch.wire_node(name, op, &[rows]).ok()?;
        patch.shunt_outside(model, self.last.into(), made[0]).ok()?;
        Some(patch)
    }
}

fn floats(tensor: &Tensor) -> Option<&[f32]> {
    tensor.try_as_plain_ram().ok()?.as_slice::<f32>().ok()
}

fn konst(model: &TypedModel, outlet: OutletId) -> Option<Arc<Tensor>> {
    model.outlet_fact(outlet).ok()?.konst.clone()
}

/// Rows × matrix + bias, activated.
#[derive(Clone)]
struct Dense {
    product: Arc<Product>,
    /// Columns of the rows and of the result.
    shape: (usize, usize),
    fact: TypedFact,
}

/// A session's scratch memory.
#[derive(Debug, Clone, Default)]
struct Scratch(Buffer);

impl fmt::Debug for Dense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dense({} to {} columns)", self.shape.0, self.shape.1)
    }
}

impl PartialEq for Dense {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.product, &other.product)
    }
}

impl Eq for Dense {}

impl Op for Dense {
    fn name(&self) -> StaticName {
        "Dense".into()
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for Dense {
    not_out_of_plan!();

    fn state(&self, _ctx: &EvalContext<'_>) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(Scratch::default())))
    }
}

impl TypedOp for Dense {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![self.fact.clone()])
    }

    as_op!();
}

impl OpState for Scratch {
    fn eval(&mut self, _ctx: &EvalContext<'_>, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let op = op.downcast_ref::<Dense>().context("the scratch of another operator")?;
        let rows = inputs[0].try_as_plain_ram()?;
        let dims = op.fact.shape.as_concrete().context("a shape that is not known")?;
        let mut tensor = Tensor::zero::<f32>(dims)?;
        op.product.run(rows.as_slice::<f32>()?, tensor.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?, &mut self.0);
        Ok(tvec![tensor.into_tvalue()])
    }

    fn reset_lanes(&mut self, _lanes: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::tract_core::ops::{math, nn::gelu_exact::gelu_exact};

    use super::*;

    fn tensor(shape: &[usize]) -> Tensor {
        let values: Vec<f32> =
            (0..shape.iter().product()).map(|i: usize| (i * 7919 % 257) as f32 / 128.0 - 1.0).collect();
        Tensor::from_shape(shape, &values).unwrap()
    }

    /// A product of rows of this shape with a constant, and a bias and a GELU, if they are wanted.
    fn model(axes: [&str; 3], rows: &[usize], matrix: &[usize], then: (Option<&[usize]>, bool)) -> TypedModel {
        let mut model = TypedModel::default();
        let rows = model.add_source("rows", f32::fact(rows)).unwrap();
        let matrix = model.add_const("matrix", tensor(matrix)).unwrap();
        let [a, b, out] = axes;
        let axes = AxesMapping::from_strs(&[a, b], &[out]).unwrap();
        let inputs = if a.contains('b') { [rows, matrix] } else { [matrix, rows] };
        let mut last = model.wire_node("product", EinSum::new(axes, f32::datum_type()), &inputs).unwrap()[0];
        if let Some(shape) = then.0 {
            let bias = model.add_const("bias", tensor(shape)).unwrap();
            last = model.wire_node("sum", math::add(), &[last, bias]).unwrap()[0];
        }
        if then.1 {
            last = model.wire_node("gelu", gelu_exact(), &[last]).unwrap()[0];
        }
        model.outputs = vec![last];
        model
    }

    fn run(model: &TypedModel, input: &Tensor) -> Vec<f32> {
        let mut model = model.clone();
        model.optimize().unwrap();
        let plan: Arc<TypedSimplePlan> = TypedSimplePlan::new(model).unwrap();
        let mut state = plan.spawn().unwrap();
        let outputs = state.run(tvec![input.clone().into()]).unwrap();
        outputs[0].try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec()
    }

    /// The nodes that are left, after comparing with tract on every instruction set.
    fn check(model: &TypedModel) -> Vec<String> {
        let input = tensor(model.input_fact(0).unwrap().shape.as_concrete().unwrap());
        let wanted = run(model, &input);
        let largest = wanted.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let mut names = Vec::new();
        for isa in Isa::available() {
            let rewritten = rewrite(model.clone(), isa).unwrap();
            for (actual, wanted) in run(&rewritten, &input).iter().zip(&wanted) {
                assert!((actual - wanted).abs() <= 1e-5 * largest, "{isa:?}: {actual}, not {wanted}");
            }
            names = rewritten.nodes.iter().map(|node| node.op.name().into_owned()).collect();
        }
        names
    }

    #[test]
    fn every_spelling_of_a_product_gives_the_numbers_of_tract() {
        let (rows, flat, matrix, other) = ([1, 19, 40], [19, 40], [40, 70], [70, 40]);
        for (axes, rows, matrix) in [
            (["bmk", "kn", "bmn"], &rows[..], &matrix[..]),
            (["bmk", "nk", "bmn"], &rows[..], &other[..]),
            (["kn", "bmk", "bmn"], &rows[..], &matrix[..]),
            (["bk", "kn", "bn"], &flat[..], &matrix[..]),
            (["bmk", "xkn", "bmn"], &rows[..], &[1, 40, 70][..]),
            (["bmhk", "hkn", "bmn"], &[1, 19, 5, 8][..], &[5, 8, 70][..]),
            (["bmhk", "nhk", "bmn"], &[1, 19, 5, 8][..], &[70, 5, 8][..]),
        ] {
            let rank = rows.len() - usize::from(axes.contains(&"bmhk"));
            let bias = [&vec![1; rank - 1][..], &[70]].concat();
            for then in [(None, false), (Some(&bias[..]), false), (None, true), (Some(&bias[..]), true)] {
                let left = check(&model(axes, rows, matrix, then));
                let found = left.iter().filter(|name| *name == "Dense").count();
                let others = left.iter().filter(|name| !["Dense", "Source", "Const"].contains(&name.as_str())).count();
                assert_eq!((found, others), (1, 0), "{axes:?} {then:?}: {left:?}");
            }
        }
    }

    #[test]
    fn what_the_kernels_would_compute_wrongly_stays() {
        let bias: &[usize] = &[1, 40, 1];
        for model in [
            // Columns before rows, here or there; the rows are not in one piece; few rows.
            model(["bmk", "kn", "bnm"], &[1, 40, 30], &[30, 40], (None, false)),
            model(["bkm", "kn", "bmn"], &[1, 30, 40], &[30, 40], (None, false)),
            model(["bmk", "kn", "bmn"], &[1, 7, 30], &[30, 40], (None, false)),
        ] {
            assert!(!check(&model).contains(&"Dense".to_owned()));
        }
        // A bias along the rows is another sum.
        let left = check(&model(["bmk", "kn", "bmn"], &[1, 40, 30], &[30, 40], (Some(bias), true)));
        assert!(left.contains(&"Dense".to_owned()) && left.iter().any(|name| name.contains("Gelu")), "{left:?}");
    }
}
