//! Exit codes, and the errors that carry one.

use std::fmt::Display;
use std::process::ExitCode;

use batch::BatchError;
use store::StoreError;

use crate::engine::EngineError;
use crate::task::TaskError;

/// Why a program ends: a code for scripts and a message for people.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What is wrong and what to do; printed once, by `main`.
    pub message: String,
}

impl Failure {
    /// Some of what was asked to be right is wrong.
    pub const WRONG: u8 = 1;
    /// Usage, configuration or model error: trying again will not help.
    pub const USAGE: u8 = 64;
    /// The store or the machine could not do it now: trying again may help.
    pub const UNAVAILABLE: u8 = 75;
    /// Ended by Ctrl-C.
    pub const INTERRUPTED: u8 = 130;
    /// Ended by SIGTERM, work handed back.
    pub const TERMINATED: u8 = 143;

    /// A failure with a code of this type.
    pub fn new(code: u8, message: impl Display) -> Self {
        Self { code, message: message.to_string() }
    }

    /// A usage, configuration or model error.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Self::USAGE, message)
    }

    /// Prints the message, if there is one, leaves it for Kubernetes, and gives the code.
    pub fn report(&self, program: &str) -> ExitCode {
        if !self.message.is_empty() {
            telemetry::last_words(&self.message);
            #[expect(clippy::print_stderr, reason = "the one place where a program says why it ends")]
            {
                eprintln!("{program}: {}", self.message);
            }
        }
        ExitCode::from(self.code)
    }
}

impl From<BatchError> for Failure {
    fn from(error: BatchError) -> Self {
        Self::new(error.exit_code(), error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.exit_code(), error)
    }
}

impl From<queue::QueueError> for Failure {
    fn from(error: queue::QueueError) -> Self {
        Self::new(error.exit_code(), error)
    }
}

impl From<models::PackageError> for Failure {
    fn from(error: models::PackageError) -> Self {
        Self::usage(error)
    }
}

impl From<batch::ModelError> for Failure {
    fn from(error: batch::ModelError) -> Self {
        Self::new(error.exit_code(), error)
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Engine(error) => error.into(),
            TaskError::Batch(error) => error.into(),
            TaskError::Fetch(_) => Self::new(Self::UNAVAILABLE, error),
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Model(_) => Self::usage(error),
            EngineError::Unavailable(_) | EngineError::Start(_) | EngineError::Interrupted | EngineError::Ended => {
                Self::new(Self::UNAVAILABLE, error)
            }
        }
    }
}
