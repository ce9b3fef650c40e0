//! Why an engine gives no answer.

use program::Failure;

use super::process::StartError;

/// Why an engine gives no answer. None of these is the fault of an image.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The model cannot be used.
    #[error("{0}")]
    Model(String),
    /// The model cannot be had for now.
    #[error("{0}")]
    Unavailable(String),
    /// No process could be started.
    #[error("{0}; is the machine out of memory or processes?")]
    Start(String),
    /// Engines are ended from outside again and again.
    #[error("the engine process was asked to end, again and again, by someone else")]
    Interrupted,
    /// The engine has ended, after an error that was reported before.
    #[error("the engine has ended")]
    Ended,
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Model(_) => Self::usage(error),
            EngineError::Unavailable(_) | EngineError::Start(_) | EngineError::Interrupted | EngineError::Ended => {
                Self::unavailable(error)
            }
        }
    }
}

impl From<StartError> for EngineError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Refused(reason) => Self::Model(reason),
            StartError::Failed(error) => Self::Start(error.to_string()),
        }
    }
}
