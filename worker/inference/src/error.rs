//! What can be wrong with a model, in the words of the person who made the package.

/// A model package that cannot be used, or that failed on an image.
#[derive(Debug, thiserror::Error)]
#[error("model package {package}: {problem}")]
pub struct ModelError {
    /// The package's directory, or `builtin`.
    pub package: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong, and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// `model.onnx` is no ONNX graph.
    #[error("model.onnx is not an ONNX graph: {0}")]
    NotOnnx(String),
    /// Weights outside `model.onnx` are missing or lie elsewhere.
    #[error("model.onnx keeps weights in {file:?}, but {reason}")]
    ExternalData {
        /// The file, as the graph names it.
        file: String,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// Operators that the runtime does not know.
    #[error(
        "model.onnx uses operators that are not supported: {}; export the model without them, or for another opset",
        .0.join(", ")
    )]
    UnsupportedOps(Vec<String>),
    /// `input.name` is not an input of the graph.
    #[error("model.toml: input.name = {name:?}, but the graph's inputs are: {}", .inputs.join(", "))]
    NoSuchInput {
        /// What `model.toml` says.
        name: String,
        /// The inputs of the graph.
        inputs: Vec<String>,
    },
    /// The graph wants something besides the image.
    #[error("model.onnx has {} inputs ({}); export it with the image as its only input", .0.len(), .0.join(", "))]
    SeveralInputs(Vec<String>),
    /// The element type of the input is not a float.
    #[error("the input {input:?} of model.onnx has the type {kind}; float32 and float16 are supported")]
    InputType {
        /// Name of the input.
        input: String,
        /// Its element type.
        kind: String,
    },
    /// The graph's input and `model.toml` disagree.
    #[error(
        "model.toml describes an input of {wanted}, but the input {input:?} of model.onnx is {graph}; \
         set input.layout, height, width and channels accordingly"
    )]
    InputShape {
        /// Name of the input.
        input: String,
        /// Shape that the graph declares.
        graph: String,
        /// Shape that `model.toml` implies.
        wanted: String,
    },
    /// `output.name` is not an output of the graph.
    #[error("model.toml: output.name = {name:?}, but the graph's outputs are: {}", .outputs.join(", "))]
    NoSuchOutput {
        /// What `model.toml` says.
        name: String,
        /// The outputs of the graph.
        outputs: Vec<String>,
    },
    /// The graph has several outputs and `model.toml` names none.
    #[error("model.onnx has {} outputs: set output.name in model.toml to one of {}", .0.len(), .0.join(", "))]
    SeveralOutputs(Vec<String>),
    /// The graph cannot be run for one image.
    #[error(
        "model.onnx was exported for a batch of {batch} images and does not work for one ({reason}); \
         export it with a dynamic batch axis or for one image"
    )]
    FixedBatch {
        /// The batch size of the graph.
        batch: i64,
        /// Where it fails.
        reason: String,
    },
    /// `PIXELMILL_ISA` is wrong.
    #[error("PIXELMILL_ISA: {0}, or tract to use none")]
    Engine(String),
    /// The runtime does not accept the graph.
    #[error("model.onnx cannot be prepared: {0}")]
    Rejected(String),
    /// The output is not one number per class.
    #[error("the output {output:?} of model.onnx has the shape {shape}; one number per class is needed ([1, classes])")]
    OutputShape {
        /// Name of the output.
        output: String,
        /// Its shape for one image.
        shape: String,
    },
    /// The graph and the labels disagree.
    #[error("model.onnx has {classes} classes, labels.txt has {labels} lines; give every class one line, in order")]
    Classes {
        /// Length of the output.
        classes: usize,
        /// Lines in `labels.txt`.
        labels: usize,
    },
    /// The caller gave a tensor of the wrong length.
    #[error("the input tensor has {given} values, the model takes {wanted}")]
    InputLength {
        /// Length of the tensor.
        given: usize,
        /// Length that `model.toml` implies.
        wanted: usize,
    },
    /// Inference stopped.
    #[error("inference failed: {0}")]
    Failed(String),
    /// Inference gave NaN or an infinite value.
    #[error("class {index} got {value}, which is not a finite number; check scale, mean and std in model.toml")]
    NotFinite {
        /// Index of the class.
        index: usize,
        /// The value.
        value: f32,
    },
    /// `model.toml` promises probabilities.
    #[error(
        "model.toml says output.kind = \"probabilities\", but the output looks like logits (lowest {lowest}, sum {sum}); \
         say \"logits\""
    )]
    NotProbabilities {
        /// The lowest value.
        lowest: f32,
        /// The sum of all values; 1 is expected.
        sum: f64,
    },
}
