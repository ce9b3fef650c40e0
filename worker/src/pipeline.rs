//! The path of one image: bytes → pixels → input tensor → scores → outcome. Synchronous; runs inside an engine process.

use std::time::Instant;

use anyhow::{Context, bail};
use batch::{ErrorCode, Label, Outcome, RowError, Settings, TruncationPolicy};
use imaging::{DecodeError, Decoded, Limits, OnTruncated, Preprocessor};
use inference::{Classifier, Session};
use models::{Golden, InputSpec, Package};

use crate::close_call::is_close_call;
use crate::engine::Times;

/// A loaded model with the limits of a batch; shared by all threads of an engine.
pub struct Pipeline {
    package: Package,
    classifier: Classifier,
    /// The model's input, for images that are decoded at full scale.
    in_full: InputSpec,
    limits: Limits,
    top_k: usize,
}

/// What decoding an image and inferring gave.
struct Look {
    /// Width and height in pixels, as displayed.
    size: (u32, u32),
    truncated: bool,
    bytes_in_full: Option<u64>,
    /// By class.
    scores: Vec<f32>,
}

/// What one thread owns: the state of the model and its buffers.
pub struct PipelineThread<'a> {
    pipeline: &'a Pipeline,
    session: Session,
    preprocessor: Preprocessor,
}

impl Pipeline {
    /// Loads the model of `package`; `settings` gives the limits and the number of labels.
    pub fn load(package: Package, settings: &Settings) -> anyhow::Result<Self> {
        let classifier = Classifier::load(&package)?;
        let on_truncated = match settings.on_truncated {
            TruncationPolicy::Error => OnTruncated::Error,
            TruncationPolicy::Warn => OnTruncated::Warn,
        };
        let limits = Limits { max_bytes: settings.max_bytes, max_pixels: settings.max_pixels, on_truncated };
        let in_full = InputSpec { full_decode: true, ..package.spec().input.clone() };
        Ok(Self { package, classifier, in_full, limits, top_k: settings.top_k as usize })
    }

    /// A thread's own state.
    pub fn thread(&self) -> PipelineThread<'_> {
        let input = &self.package.spec().input;
        PipelineThread { pipeline: self, session: self.classifier.session(), preprocessor: Preprocessor::new(input) }
    }

    /// Classifies the package's golden inputs and compares the scores with those of the reference runtime. Gives the
    /// largest difference.
    pub fn check_golden(&self) -> anyhow::Result<f32> {
        let mut thread = self.thread();
        let mut largest = 0.0_f32;
        for golden in self.package.golden() {
            let difference = thread.compare(golden).with_context(|| format!("golden input {:?}", golden.name))?;
            largest = largest.max(difference);
        }
        Ok(largest)
    }
}

impl PipelineThread<'_> {
    /// Classifies one image, given the bytes of its file, and says how long that took.
    pub fn classify(&mut self, file: &[u8]) -> (Outcome, Times) {
        #[cfg(feature = "test-hooks")]
        crate::hooks::obey(file);
        let mut times = Times::default();
        let outcome = self.measured(file, &mut times);
        (outcome, times)
    }

    fn measured(&mut self, file: &[u8], times: &mut Times) -> Outcome {
        let bytes = Some(file.len() as u64);
        let Pipeline { package, in_full, top_k, .. } = self.pipeline;
        let look = match self.look(file, &package.spec().input, times) {
            Ok(first) if is_close_call(&first.scores, first.bytes_in_full) => {
                // What there is already is better than nothing.
                self.look(file, in_full, times).unwrap_or(first)
            }
            Ok(first) => first,
            Err(outcome) => return Outcome { bytes, ..outcome },
        };
        let warning = look.truncated.then(|| RowError {
            code: ErrorCode::Truncated,
            message: "the file ends before the image does; what there is of it was classified".into(),
        });
        Outcome {
            top: Label::top(&look.scores, package.labels(), *top_k),
            size: Some(look.size),
            bytes,
            error: warning,
        }
    }

    /// Decodes an image for an input, and infers; what that takes is added to `times`.
    fn look(&mut self, file: &[u8], input: &InputSpec, times: &mut Times) -> Result<Look, Outcome> {
        let started = Instant::now();
        let decoded = imaging::decode(file, &self.pipeline.limits, input)
            .inspect(|decoded| self.session.fill(|tensor| self.preprocessor.fill(decoded, tensor)));
        times.decode += started.elapsed();
        let Decoded { width, height, truncated, bytes_in_full, .. } =
            decoded.map_err(|error| Outcome::failed(code(&error), error.to_string()))?;
        let started = Instant::now();
        let scores = self.session.infer();
        times.infer += started.elapsed();
        let size = (width, height);
        match scores {
            Ok(scores) => Ok(Look { size, truncated, bytes_in_full, scores }),
            Err(error) => {
                Err(Outcome { size: Some(size), ..Outcome::failed(ErrorCode::ModelFailed, error.problem.to_string()) })
            }
        }
    }

    /// A small JPEG of an image.
    pub fn thumbnail(&self, file: &[u8], longest_side: u32) -> Result<Vec<u8>, DecodeError> {
        let limits = Limits { on_truncated: OnTruncated::Warn, ..self.pipeline.limits.clone() };
        imaging::thumbnail(file, &limits, longest_side)
    }

    fn compare(&mut self, golden: &Golden) -> anyhow::Result<f32> {
        let decoded = imaging::decode(&golden.image, &Limits::default(), &self.pipeline.package.spec().input)?;
        self.session.fill(|tensor| self.preprocessor.fill(&decoded, tensor));
        let scores = self.session.infer()?;
        let mut largest = 0.0_f32;
        for expected in &golden.scores {
            let Some(found) = scores.get(expected.index) else {
                bail!("golden.jsonl names class {}, the model has {} classes", expected.index, scores.len());
            };
            let difference = (found - expected.score).abs();
            if difference > golden.tolerance {
                bail!(
                    "class {} scores {found:.6}, golden.jsonl says {:.6} (tolerance {}): does model.toml describe the \
                     preprocessing that the model was trained with? After a change, make golden.jsonl again with \
                     models/package.py",
                    expected.index,
                    expected.score,
                    golden.tolerance
                );
            }
            largest = largest.max(difference);
        }
        Ok(largest)
    }
}

fn code(error: &DecodeError) -> ErrorCode {
    match error {
        DecodeError::Unsupported(_) => ErrorCode::Unsupported,
        DecodeError::Undecodable(_) => ErrorCode::Undecodable,
        DecodeError::Truncated(_) => ErrorCode::Truncated,
        DecodeError::TooLarge { .. } => ErrorCode::TooLarge,
        DecodeError::TooManyPixels { .. } | DecodeError::TooLong { .. } => ErrorCode::TooManyPixels,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::check;

    /// A model of five classes, into whose input a picture of 67 x 53 pixels fits four times over.
    fn pipeline() -> Pipeline {
        let dir = tempfile::tempdir().unwrap();
        for entry in fs::read_dir("inference/tests/fixtures/softmax_11").unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        let spec = dir.path().join("model.toml");
        let text = fs::read_to_string(&spec).unwrap();
        fs::write(spec, text.replace("\"stretch\"", "\"letterbox\"")).unwrap();
        let package = Package::open(dir.path()).unwrap();
        let settings = Settings { top_k: 5, ..check::settings(&package) };
        Pipeline::load(package, &settings).unwrap()
    }

    /// A picture that is decoded at half scale, with so much contrast of light and of colours.
    fn picture(contrasts: [u8; 2]) -> Vec<u8> {
        let mut file = include_bytes!("../imaging/fixtures/reduced-420.jpg").to_vec();
        let tables = [0, 1].map(|table| [0xff, 0xdb, 0, 0x43, table]);
        for (table, contrast) in tables.iter().zip(contrasts) {
            let steps = file.windows(5).position(|bytes| bytes == table).unwrap() + table.len();
            file[steps] = contrast;
        }
        file
    }

    #[test]
    fn close_calls_are_decided_by_the_full_decode_and_others_are_not() {
        let pipeline = pipeline();
        let mut thread = pipeline.thread();
        // How many changed their scores, of those that are close calls and of the others.
        let mut changed = [0; 2];
        let steps = (0..16).map(|step| 1 + 16 * step);
        for file in steps.clone().flat_map(|light| steps.clone().map(move |colors| picture([light, colors]))) {
            let mut look = |input| thread.look(&file, input, &mut Times::default()).ok().unwrap();
            let (reduced, full) = (look(&pipeline.package.spec().input), look(&pipeline.in_full));
            assert!(reduced.bytes_in_full.is_some() && full.bytes_in_full.is_none());
            let is_close = is_close_call(&reduced.scores, reduced.bytes_in_full);
            changed[usize::from(is_close)] += u32::from(reduced.scores != full.scores);
            let (outcome, times) = thread.classify(&file);
            let scores = if is_close { full.scores } else { reduced.scores };
            assert_eq!(outcome.top, Label::top(&scores, pipeline.package.labels(), 5));
            assert_eq!((outcome.size, outcome.error), (Some((67, 53)), None));
            assert!(!times.decode.is_zero() && !times.infer.is_zero());
        }
        let [others, close] = changed;
        assert!(close >= 3 && others >= 200, "{close} close calls and {others} others would change");
    }
}
