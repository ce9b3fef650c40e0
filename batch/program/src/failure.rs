//! Why a program ends: exit codes, and the errors that carry one.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use batch::BatchError;
use queue::QueueError;
use store::StoreError;

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
    /// Store, broker or machine could not do it now: trying again may help.
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

    /// Something that may work later.
    pub fn unavailable(message: impl Display) -> Self {
        Self::new(Self::UNAVAILABLE, message)
    }

    /// Prints the message, if there is one, leaves it for Kubernetes, and gives the code.
    pub(crate) fn report(&self, program: &str) -> ExitCode {
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

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self::new(error.exit_code(), error)
    }
}

impl From<batch::ModelError> for Failure {
    fn from(error: batch::ModelError) -> Self {
        Self::new(error.exit_code(), error)
    }
}

impl From<models::PackageError> for Failure {
    fn from(error: models::PackageError) -> Self {
        Self::usage(error)
    }
}

impl From<io::Error> for Failure {
    /// Of writing to stdout. A reader that has seen enough (`| head`) is no failure.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(0, ""),
            _ => Self::unavailable(format!("printing: {error}")),
        }
    }
}
