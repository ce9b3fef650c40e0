//! Why an image could not be fetched, in the codes of a result row.

use std::fmt;

use crate::error::StoreError;

/// Why an image could not be fetched. The message names the cause, never a secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    code: Code,
    message: String,
    transient: bool,
}

/// The codes of rows that this module gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// There is no such image.
    NotFound,
    /// It may not be read.
    Denied,
    /// It is another version than the one that was listed.
    Changed,
    /// It has more bytes than allowed.
    TooLarge,
    /// Anything else.
    FetchFailed,
}

impl Code {
    /// As in a row.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::NotFound => "not_found",
            Code::Denied => "denied",
            Code::Changed => "changed",
            Code::TooLarge => "too_large",
            Code::FetchFailed => "fetch_failed",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FetchError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> FetchError {
        FetchError { code, message: message.into(), transient: false }
    }

    pub(super) fn transient(message: impl Into<String>) -> FetchError {
        FetchError { code: Code::FetchFailed, message: message.into(), transient: true }
    }

    pub(super) fn too_large(size: u64, limit: u64) -> FetchError {
        FetchError::new(Code::TooLarge, format!("it has {size} bytes, more than the {limit} allowed"))
    }

    /// The code for the row.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Whether the cause may pass: an outage of the source is no property of the image, so the caller decides how long
    /// to wait before it becomes a row.
    pub fn is_transient(&self) -> bool {
        self.transient
    }
}

impl From<StoreError> for FetchError {
    fn from(error: StoreError) -> FetchError {
        let code = match &error {
            StoreError::Denied { .. } => Code::Denied,
            StoreError::Changed { .. } => Code::Changed,
            StoreError::TooLarge { .. } => Code::TooLarge,
            StoreError::Unavailable { .. }
            | StoreError::Full { .. }
            | StoreError::Config { .. }
            | StoreError::InvalidKey { .. } => Code::FetchFailed,
        };
        FetchError { code, message: error.to_string(), transient: error.is_retryable() }
    }
}
