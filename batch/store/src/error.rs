//! What can go wrong with a store, by what a caller can do about it.

use std::fmt;

use crate::key::Key;

/// An error of a store. Each names the store or object and the cause; none holds a secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Did not answer, or only with faults, until the retries were used up. Later it may work.
    #[error("{place} is unavailable: {cause}")]
    Unavailable {
        /// The store or object as a URL.
        place: String,
        /// The last fault.
        cause: String,
    },
    /// No space or quota left. Work can go on when there is.
    #[error("{place} has no space left: {cause}; free some, or raise the quota")]
    Full {
        /// The store or object as a URL.
        place: String,
        /// What the system said.
        cause: String,
    },
    /// Not allowed. It stays so until somebody changes permissions or credentials.
    #[error("{place} refuses access: {cause}; {remedy}")]
    Denied {
        /// The store or object as a URL.
        place: String,
        /// What the store said.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A wrong URL, no such bucket, no credentials, a store that cannot do what is needed.
    #[error("{place} cannot be used: {cause}; {remedy}")]
    Config {
        /// The store or object as a URL.
        place: String,
        /// What is wrong.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The object exceeds the limit that the caller gave.
    #[error("{place} is larger than the {limit} bytes allowed here")]
    TooLarge {
        /// The object as a URL.
        place: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The object changed or vanished while it was read.
    #[error("{place} changed while it was read: {cause}")]
    Changed {
        /// The object as a URL.
        place: String,
        /// What was noticed.
        cause: String,
    },
    /// Not a name that a store takes.
    #[error("{key:?} is not a valid name in a store: {flaw}")]
    InvalidKey {
        /// The refused text (shortened).
        key: String,
        /// Why it is refused.
        flaw: &'static str,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing configuration or input. The one place that
    /// decides.
    pub fn is_retryable(&self) -> bool {
        match self {
            StoreError::Unavailable { .. } | StoreError::Full { .. } => true,
            StoreError::Denied { .. }
            | StoreError::Config { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Changed { .. }
            | StoreError::InvalidKey { .. } => false,
        }
    }

    /// The exit code of a program that ends with this error: 75 if another run may succeed, 64 if not.
    pub fn exit_code(&self) -> u8 {
        if self.is_retryable() { 75 } else { 64 }
    }
}

/// `store/key`, for messages.
pub(crate) fn place(store: impl fmt::Display, key: &Key) -> String {
    format!("{store}/{key}")
}
