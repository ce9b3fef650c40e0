//! The path of one image: bytes → pixels → input tensor → scores → outcome. Synchronous; runs inside an engine process.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use batch::{ErrorCode, Label, Outcome, RowError, Settings, TruncationPolicy};
use imaging::{DecodeError, Decoded, Limits, OnTruncated, Preprocessor};
use inference::{Classifier, Session};
use models::{Golden, InputSpec, Package};

use crate::close_call::CloseCalls;
use crate::engine::Times;

/// A loaded model with the limits of a batch; shared by all threads of an engine.
pub struct Pipeline {
    package: Package,
    classifier: Classifier,
    /// The model's input, for images that are decoded at full scale.
    in_full: InputSpec,
    close_calls: CloseCalls,
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

impl Look {
    /// With a second one, whose scores count. If that failed, what there is already is better than nothing. What was missing stays
    /// missing: a decode at reduced scale reads a little further.
    fn then(self, second: Result<Self, Outcome>) -> Self {
        match second {
            Ok(second) => Self { truncated: self.truncated || second.truncated, ..second },
            Err(_) => self,
        }
    }
}

/// What one thread owns: the state of the model and its buffers.
pub struct PipelineThread<'a> {
    pipeline: &'a Pipeline,
    session: Session,
    preprocessor: Preprocessor,
}

impl Pipeline {
    /// Loads the model of `package`; `settings` gives the limits and the number of labels. `most_bytes_in_full`
    /// bounds the full decode of a close call.
    pub fn load(package: Package, settings: &Settings, most_bytes_in_full: u64) -> anyhow::Result<Self> {
        let classifier = Classifier::load(&package)?;
        let on_truncated = match settings.on_truncated {
            TruncationPolicy::Error => OnTruncated::Error,
            TruncationPolicy::Warn => OnTruncated::Warn,
        };
        let limits = Limits { max_bytes: settings.max_bytes, max_pixels: settings.max_pixels, on_truncated };
        let in_full = InputSpec { full_decode: true, ..package.spec().input.clone() };
        let close_calls = CloseCalls::new(most_bytes_in_full, Duration::from_secs(settings.image_timeout_s.into()));
        Ok(Self { package, classifier, in_full, close_calls, limits, top_k: settings.top_k as usize })
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
        let Pipeline { package, close_calls, limits, top_k, .. } = self.pipeline;
        let look = match self.looks(file, limits, close_calls, times) {
            Ok(look) => look,
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

    /// Looks at an image, and if it is a close call once more.
    fn looks(
        &mut self,
        file: &[u8],
        limits: &Limits,
        close_calls: &CloseCalls,
        times: &mut Times,
    ) -> Result<Look, Outcome> {
        let Pipeline { package, in_full, .. } = self.pipeline;
        let first = self.look(file, limits, &package.spec().input, times)?;
        if !close_calls.include(&first.scores, first.bytes_in_full, times.decode + times.infer) {
            return Ok(first);
        }
        times.second_look = true;
        Ok(first.then(self.look(file, limits, in_full, times)))
    }

    /// Decodes an image for an input, and infers; what that takes is added to `times`.
    fn look(&mut self, file: &[u8], limits: &Limits, input: &InputSpec, times: &mut Times) -> Result<Look, Outcome> {
        let started = Instant::now();
        let decoded = imaging::decode(file, limits, input)
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
        let look = self.looks(&golden.image, &Limits::default(), &CloseCalls::ALL, &mut Times::default());
        let scores =
            look.map_err(|outcome| anyhow!(outcome.error.map_or("no scores".into(), |error| error.message)))?.scores;
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

    fn pipeline() -> Pipeline {
        limited(u64::MAX, 60)
    }

    /// A model of five classes, into whose input a picture of 67 x 53 pixels fits four times over.
    fn limited(most_bytes_in_full: u64, image_timeout_s: u32) -> Pipeline {
        let dir = tempfile::tempdir().unwrap();
        for entry in fs::read_dir("inference/tests/fixtures/softmax_11").unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        let spec = dir.path().join("model.toml");
        let text = fs::read_to_string(&spec).unwrap();
        fs::write(spec, text.replace("\"stretch\"", "\"letterbox\"")).unwrap();
        let package = Package::open(dir.path()).unwrap();
        let settings = Settings { top_k: 5, image_timeout_s, ..check::settings(&package) };
        Pipeline::load(package, &settings, most_bytes_in_full).unwrap()
    }

    /// Pictures that are decoded at half scale, of all contrasts of light and of colours.
    fn pictures() -> impl Iterator<Item = Vec<u8>> {
        let steps = (0..16).map(|step| 1 + 16 * step);
        steps.clone().flat_map(move |light| steps.clone().map(move |colors| picture([light, colors])))
    }

    /// One of them.
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
        // How many have another best class in full, of those that are close calls; and other scores, of the others.
        let (mut decided, mut others) = (0, 0);
        for file in pictures() {
            let mut look = |input| thread.look(&file, &pipeline.limits, input, &mut Times::default()).ok().unwrap();
            let (reduced, full) = (look(&pipeline.package.spec().input), look(&pipeline.in_full));
            assert!(reduced.bytes_in_full.is_some() && full.bytes_in_full.is_none());
            let top = |look: &Look| Label::top(&look.scores, pipeline.package.labels(), 5);
            let is_close = pipeline.close_calls.include(&reduced.scores, reduced.bytes_in_full, Duration::ZERO);
            if is_close {
                decided += u32::from(top(&reduced)[0].label != top(&full)[0].label);
            } else {
                others += u32::from(top(&reduced) != top(&full));
            }
            let (outcome, times) = thread.classify(&file);
            assert_eq!(outcome.top, top(if is_close { &full } else { &reduced }));
            assert_eq!((outcome.size, outcome.error), (Some((67, 53)), None));
            assert_eq!(times.second_look, is_close);
        }
        assert!(
            decided >= 1 && others >= 200,
            "{decided} close calls were decided, {others} others would have changed"
        );
    }

    #[test]
    fn a_second_look_takes_no_more_than_is_allowed() {
        let all = pipeline();
        let mut thread = all.thread();
        let close_call = pictures().find(|file| thread.classify(file).1.second_look).unwrap();
        let input = &all.package.spec().input;
        let bytes = thread.look(&close_call, &all.limits, input, &mut Times::default()).ok().unwrap().bytes_in_full;
        let bytes = bytes.unwrap();
        let looks_twice = |pipeline: Pipeline| pipeline.thread().classify(&close_call).1.second_look;
        assert!(looks_twice(limited(bytes, 60)));
        assert!(!looks_twice(limited(bytes - 1, 60)));
        assert!(!looks_twice(limited(bytes, 0)), "every first look takes longer than no time");
    }

    #[test]
    fn what_several_looks_take_is_added_up() {
        let pipeline = pipeline();
        let (decode, infer) = (Duration::from_secs(1), Duration::from_secs(2));
        let mut times = Times { decode, infer, second_look: true };
        pipeline.thread().look(&picture([1, 1]), &pipeline.limits, &pipeline.in_full, &mut times).ok().unwrap();
        assert!(times.decode > decode && times.infer > infer && times.decode + times.infer < 2 * (decode + infer));
    }

    #[test]
    fn a_second_look_that_fails_leaves_the_first_answer() {
        let look = |truncated, score| Look { size: (2, 3), truncated, bytes_in_full: None, scores: vec![score] };
        let after = |first: Look, second| {
            let Look { truncated, scores, .. } = first.then(second);
            (truncated, scores[0])
        };
        assert_eq!(after(look(false, 0.1), Ok(look(false, 0.2))), (false, 0.2));
        assert_eq!(after(look(true, 0.1), Ok(look(false, 0.2))), (true, 0.2));
        assert_eq!(after(look(false, 0.1), Ok(look(true, 0.2))), (true, 0.2));
        let failed = || Err(Outcome::failed(ErrorCode::ModelFailed, "no"));
        assert_eq!(after(look(false, 0.1), failed()), (false, 0.1));
        assert_eq!(after(look(true, 0.1), failed()), (true, 0.1));
    }
}
