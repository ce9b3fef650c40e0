//! Judging a suspect: one image, alone in a process of its own, at most twice.

use std::time::Duration;

use batch::{ErrorCode, Outcome};
use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::error::EngineError;
use super::process::{Death, EngineProcess, death, end};
use super::protocol::{EngineConfig, Image, Order, Reply, Request, Wanted};
use crate::observe::{TrialEnd, metrics};

/// Tries suspects one after the other, so that together they never need more memory than one engine.
#[derive(Debug)]
pub struct Isolation {
    config: EngineConfig,
    image_timeout: Duration,
    /// Held by the trial of the moment. Between two images of a task, the process that classified the one before.
    trial: Mutex<Option<EngineProcess>>,
}

/// What one trial showed.
enum Trial {
    Done(Outcome),
    Crashed,
    Hung,
    /// The process was asked to end, by someone else: that proves nothing.
    Interrupted,
}

/// How often a trial that proves nothing is repeated.
const MOST_INTERRUPTIONS: u32 = 5;

impl Isolation {
    /// Isolation with the settings of the shared engine that `config` describes.
    pub fn new(config: &EngineConfig) -> Self {
        let image_timeout = Duration::from_secs(u64::from(config.settings.image_timeout_s));
        let config = EngineConfig { threads: 1, check_golden: false, ..config.clone() };
        Self { config, image_timeout, trial: Mutex::default() }
    }

    /// The outcome of `image`. An error row (`crashed`, `timeout`) is given only if two trials died or hung. After a
    /// hang the two trials run side by side, so that a hopeless image costs two time limits in all and not three.
    pub async fn judge(&self, image: &Bytes, after_hang: bool) -> Result<Outcome, EngineError> {
        let mut held = self.trial.lock().await;
        if let Some(mut waiting) = held.take() {
            end(&mut waiting.child).await;
        }
        self.judge_fresh(image, after_hang).await
    }

    /// As [`judge`](Self::judge), for one image after the other: what harms nobody is classified by the process that
    /// classified the one before. What ends that process is judged in fresh ones: nothing else proves anything.
    pub async fn judge_next(&self, image: &Bytes) -> Result<Outcome, EngineError> {
        let mut held = self.trial.lock().await;
        let mut engine = match held.take() {
            Some(engine) => engine,
            None => EngineProcess::start_alone(&self.config, 1).await?,
        };
        match self.ask(&mut engine, image).await {
            Trial::Done(outcome) => {
                *held = Some(engine);
                Ok(outcome)
            }
            Trial::Hung => self.judge_fresh(image, true).await,
            Trial::Crashed | Trial::Interrupted => self.judge_fresh(image, false).await,
        }
    }

    /// Ends the process that waits for the next image, if there is one.
    pub async fn no_next(&self) {
        if let Some(mut engine) = self.trial.lock().await.take() {
            end(&mut engine.child).await;
        }
    }

    async fn judge_fresh(&self, image: &Bytes, after_hang: bool) -> Result<Outcome, EngineError> {
        if after_hang {
            let (first, second) = tokio::join!(self.certain_trial(image, 2), self.certain_trial(image, 2));
            return match (first?, second?) {
                (Trial::Done(outcome), _) | (_, Trial::Done(outcome)) => Ok(outcome),
                // With half of the memory a crash proves nothing.
                (Trial::Crashed, _) | (_, Trial::Crashed) => self.judge_in_sequence(image).await,
                _ => Ok(timed_out(self.image_timeout)),
            };
        }
        self.judge_in_sequence(image).await
    }

    async fn judge_in_sequence(&self, image: &Bytes) -> Result<Outcome, EngineError> {
        if let Trial::Done(outcome) = self.certain_trial(image, 1).await? {
            return Ok(outcome);
        }
        match self.certain_trial(image, 1).await? {
            Trial::Done(outcome) => Ok(outcome),
            Trial::Hung => Ok(timed_out(self.image_timeout)),
            Trial::Crashed | Trial::Interrupted => {
                Ok(Outcome::failed(ErrorCode::Crashed, "work on it ended an isolated process, twice"))
            }
        }
    }

    /// A trial that proves something: interrupted ones are repeated.
    async fn certain_trial(&self, image: &Bytes, siblings: u64) -> Result<Trial, EngineError> {
        for _ in 0..MOST_INTERRUPTIONS {
            let trial = self.trial(image, siblings).await?;
            metrics().trial(match trial {
                Trial::Done(_) => TrialEnd::Done,
                Trial::Crashed => TrialEnd::Crashed,
                Trial::Hung => TrialEnd::Hung,
                Trial::Interrupted => TrialEnd::Interrupted,
            });
            if !matches!(trial, Trial::Interrupted) {
                return Ok(trial);
            }
        }
        Err(EngineError::Interrupted)
    }

    async fn trial(&self, image: &Bytes, siblings: u64) -> Result<Trial, EngineError> {
        let mut engine = EngineProcess::start_alone(&self.config, siblings).await?;
        let trial = self.ask(&mut engine, image).await;
        end(&mut engine.child).await;
        Ok(trial)
    }

    /// Has one image classified. The process has ended unless the trial is [`Trial::Done`].
    async fn ask(&self, engine: &mut EngineProcess, image: &Bytes) -> Trial {
        let talk = async {
            let order = Order { id: 0, wanted: Wanted::Outcome, image: Image::Sent(image.clone()) };
            Request::Work(order).write(&mut engine.stdin).await.ok()?;
            loop {
                match Reply::read(&mut engine.stdout).await.ok()?? {
                    Reply::Classified { outcome, times, .. } => {
                        times.record();
                        return Some(*outcome);
                    }
                    _ => continue,
                }
            }
        };
        match timeout(self.image_timeout, talk).await {
            Ok(Some(outcome)) => Trial::Done(outcome),
            Ok(None) => match death(&mut engine.child).await {
                Death::Asked => Trial::Interrupted,
                Death::Crashed { .. } => Trial::Crashed,
            },
            Err(_) => {
                end(&mut engine.child).await;
                Trial::Hung
            }
        }
    }
}

fn timed_out(limit: Duration) -> Outcome {
    let message =
        format!("work on it did not end within {} s (--image-timeout), alone in a process, twice", limit.as_secs());
    Outcome::failed(ErrorCode::Timeout, message)
}
