//! The weights of a convolution: the graph's own tensor and what is to be done to it, copied only while they are packed.

use std::borrow::Cow;
use std::sync::Arc;

use tract_onnx::prelude::*;

/// A row of weights for each output, as ONNX has them. A copy costs nothing.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    tensor: Arc<Tensor>,
    outputs: usize,
    /// Whether the tensor is a matrix with a column for each output, not a row.
    in_columns: bool,
    /// Factors of the outputs, one set after the other.
    factors: Vec<Vec<f32>>,
}

impl Weights {
    /// Of a tensor with a row for each output, or a column. `None` if it is not of floats, or has no such rows.
    pub fn new(tensor: Arc<Tensor>, outputs: usize, in_columns: bool) -> Option<Self> {
        let len = floats(&tensor)?.len();
        let rows = outputs > 0 && len > 0 && len.is_multiple_of(outputs);
        rows.then_some(Self { tensor, outputs, in_columns, factors: Vec::new() })
    }

    /// One for each output.
    pub fn single(values: &[f32]) -> Self {
        let (tensor, outputs) = (Arc::new(tensor1(values)), values.len());
        Self { tensor, outputs, in_columns: false, factors: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.tensor.len()
    }

    /// Multiplies the weights of each output by its factor.
    pub fn scale(&mut self, factors: Vec<f32>) {
        self.factors.push(factors);
    }

    /// The numbers themselves, row by row.
    pub fn values(&self) -> Cow<'_, [f32]> {
        let values = floats(&self.tensor).unwrap_or_default();
        let columns = self.len() / self.outputs;
        let mut values = if self.in_columns {
            let place = |at: usize| values[at % columns * self.outputs + at / columns];
            Cow::Owned((0..self.len()).map(place).collect())
        } else {
            Cow::Borrowed(values)
        };
        for factors in &self.factors {
            for (row, factor) in values.to_mut().chunks_exact_mut(columns).zip(factors) {
                row.iter_mut().for_each(|weight| *weight *= factor);
            }
        }
        values
    }
}

impl PartialEq for Weights {
    fn eq(&self, other: &Self) -> bool {
        let shape = |weights: &Self| (weights.outputs, weights.in_columns);
        shape(self) == shape(other)
            && self.factors == other.factors
            && (Arc::ptr_eq(&self.tensor, &other.tensor) || floats(&self.tensor) == floats(&other.tensor))
    }
}

fn floats(tensor: &Tensor) -> Option<&[f32]> {
    tensor.try_as_plain_ram().ok()?.as_slice::<f32>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_turned_and_factors_multiplied_in_turn() {
        let tensor = Tensor::from_shape(&[2, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap().into_arc_tensor();
        let rows = Weights::new(tensor.clone(), 2, false).unwrap();
        assert_eq!(*rows.values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(matches!(rows.values(), Cow::Borrowed(_)), "nothing is copied without need");
        let mut columns = Weights::new(tensor.clone(), 3, true).unwrap();
        assert_eq!(*columns.values(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let before = columns.clone();
        columns.scale(vec![2.0, 0.5, 1.0]);
        columns.scale(vec![1.0, 1.0, 10.0]);
        assert_eq!(*columns.values(), [2.0, 8.0, 1.0, 2.5, 30.0, 60.0]);
        assert!(before != columns && before == Weights::new(tensor.deep_clone().into(), 3, true).unwrap());
        assert!(Weights::new(tensor, 4, false).is_none());
    }
}
