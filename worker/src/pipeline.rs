//! The path of one image: bytes → pixels → input tensor → scores → outcome. Synchronous; runs inside an engine process.

use std::time::Instant;

use anyhow::{Context, bail};
use batch::{ErrorCode, Label, Outcome, RowError, Settings, TruncationPolicy};
use imaging::{DecodeError, Limits, OnTruncated, Preprocessor};
use inference::{Classifier, Session};
use models::{Golden, Package};

use crate::engine::Times;

/// A loaded model with the limits of a batch; shared by all threads of an engine.
pub struct Pipeline {
    package: Package,
    classifier: Classifier,
    limits: Limits,
    top_k: usize,
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
        Ok(Self { package, classifier, limits, top_k: settings.top_k as usize })
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
        let started = Instant::now();
        let limits = &self.pipeline.limits;
        let bytes = Some(file.len() as u64);
        let decoded = match imaging::decode(file, limits, &self.pipeline.package.spec().input) {
            Ok(decoded) => decoded,
            Err(error) => {
                times.decode = started.elapsed();
                return Outcome { bytes, ..Outcome::failed(code(&error), error.to_string()) };
            }
        };
        let size = Some((decoded.width, decoded.height));
        self.session.fill(|tensor| self.preprocessor.fill(&decoded, tensor));
        let warning = decoded.truncated.then(|| RowError {
            code: ErrorCode::Truncated,
            message: "the file ends before the image does; what there is of it was classified".into(),
        });
        times.decode = started.elapsed();
        let started = Instant::now();
        let scores = self.session.infer();
        times.infer = started.elapsed();
        match scores {
            Ok(scores) => {
                let top = Label::top(&scores, self.pipeline.package.labels(), self.pipeline.top_k);
                Outcome { top, size, bytes, error: warning }
            }
            Err(error) => Outcome { size, bytes, ..Outcome::failed(ErrorCode::ModelFailed, error.problem.to_string()) },
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
