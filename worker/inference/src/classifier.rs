//! A loaded model, and what a thread needs to run it.

use std::sync::Arc;

use models::{ModelSpec, Package};
use tract_onnx::prelude::*;

use crate::compile::{self, Plan, attempt};
use crate::engine::Engine;
use crate::error::{ModelError, Problem};
use crate::graph::input_shape;
use crate::scores::to_scores;

/// A model package, loaded and optimised for one image at a time. Shared by all threads; weights exist once.
#[derive(Clone)]
pub struct Classifier {
    shared: Arc<Shared>,
}

struct Shared {
    package: String,
    spec: ModelSpec,
    labels: Vec<String>,
    plan: Plan,
}

/// One thread's use of a [`Classifier`]: owns the intermediate values.
pub struct Session {
    shared: Arc<Shared>,
    /// Made once: tract gives it back after every image.
    input: Arc<Tensor>,
    /// Made by the first image, and anew after a failure.
    state: Option<TypedSimpleState>,
}

impl Classifier {
    /// Loads the graph of `package` and prepares it. The error says what is wrong with the package, and the remedy.
    pub fn load(package: &Package) -> Result<Self, ModelError> {
        let engine = Engine::chosen();
        let named = |problem| ModelError { package: package.place().display().to_string(), problem };
        Self::load_for(package, engine.map_err(named)?)
    }

    /// As [`Classifier::load`], for an engine that the caller chooses.
    pub fn load_for(package: &Package, engine: Engine) -> Result<Self, ModelError> {
        let named = |problem| ModelError { package: package.place().display().to_string(), problem };
        let (plan, classes) = compile::compile(package.onnx(), package.spec(), engine).map_err(named)?;
        let labels = package.labels().len();
        if classes != labels {
            return Err(named(Problem::Classes { classes, labels }));
        }
        let shared = Shared {
            package: package.place().display().to_string(),
            spec: package.spec().clone(),
            labels: package.labels().to_vec(),
            plan,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A session for one thread.
    pub fn session(&self) -> Session {
        let shape = input_shape(&self.shared.spec);
        let input = Tensor::zero::<f32>(&shape).expect("floats have a zero");
        Session { shared: self.shared.clone(), input: Arc::new(input), state: None }
    }

    /// The label of each class, by index.
    pub fn labels(&self) -> &[String] {
        &self.shared.labels
    }

    /// What the package's `model.toml` says.
    pub fn spec(&self) -> &ModelSpec {
        &self.shared.spec
    }

    /// Number of values of the input tensor of one image: channels × height × width.
    pub fn input_len(&self) -> usize {
        self.shared.spec.input.len()
    }
}

impl Session {
    /// Has the tensor of the next image filled, as `model.toml` describes it: `[channels, height, width]` or
    /// `[height, width, channels]`, row-major. What is in it before is of no use.
    pub fn fill(&mut self, fill: impl FnOnce(&mut [f32])) {
        let mut tensor = Arc::make_mut(&mut self.input).try_as_plain_ram_mut().ok();
        fill(tensor.as_mut().and_then(|tensor| tensor.as_slice_mut().ok()).expect("the tensor was made of floats"));
    }

    /// The scores of the image that was [filled in](Self::fill) by class: 0–1, sum 1, as many as labels.
    pub fn infer(&mut self) -> Result<Vec<f32>, ModelError> {
        let mut values = self.run()?;
        to_scores(&mut values, self.shared.spec.output.kind).map_err(|problem| self.named(problem))?;
        Ok(values)
    }

    /// As [`infer`](Self::infer), of a tensor that lies elsewhere.
    pub fn scores(&mut self, input: &[f32]) -> Result<Vec<f32>, ModelError> {
        self.copy(input)?;
        self.infer()
    }

    /// The values of the graph's output for a tensor, as they are: logits or probabilities, as many as labels.
    pub fn output(&mut self, input: &[f32]) -> Result<Vec<f32>, ModelError> {
        self.copy(input)?;
        self.run()
    }

    fn copy(&mut self, input: &[f32]) -> Result<(), ModelError> {
        let wanted = self.shared.spec.input.len();
        if input.len() != wanted {
            return Err(self.named(Problem::InputLength { given: input.len(), wanted }));
        }
        self.fill(|tensor| tensor.copy_from_slice(input));
        Ok(())
    }

    fn run(&mut self) -> Result<Vec<f32>, ModelError> {
        // The state is put back only after a success: one that a panic left half-way is never used again.
        let (state, input) = (self.state.take(), self.input.clone());
        let (state, values) =
            attempt(|| run(&self.shared, state, input)).map_err(|reason| self.named(Problem::Failed(reason)))?;
        self.state = Some(state);
        Ok(values)
    }

    fn named(&self, problem: Problem) -> ModelError {
        ModelError { package: self.shared.package.clone(), problem }
    }
}

fn run(
    shared: &Shared,
    state: Option<TypedSimpleState>,
    input: Arc<Tensor>,
) -> TractResult<(TypedSimpleState, Vec<f32>)> {
    let mut state = state.map_or_else(|| shared.plan.spawn(), Ok)?;
    let outputs = state.run(tvec![TValue::from_const(input)])?;
    let values = outputs[0].try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
    Ok((state, values))
}
