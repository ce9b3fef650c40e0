//! What can go wrong with a ledger.

use program::Failure;
use store::{Key, StoreError};

/// What can go wrong with a ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store gave up.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A segment is not what was written.
    #[error("{key} is damaged: {reason}; delete it, and it is made again from the runs")]
    Damaged {
        /// The segment.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A run is not in the ledger, though a later one is.
    #[error("run {run} is not in the ledger")]
    Missing {
        /// Its number.
        run: u64,
    },
    /// Names came in another order than that of their bytes.
    #[error("{after:?} came before {name:?}: names must come in the order of their bytes, each once")]
    Order {
        /// The name that came too late.
        name: String,
        /// The one before it.
        after: String,
    },
}

impl LedgerError {
    pub(crate) fn damaged(key: &Key, reason: &'static str) -> Self {
        Self::Damaged { key: key.to_string(), reason }
    }

    pub(crate) fn order(name: &[u8], after: &[u8]) -> Self {
        let text = |name| String::from_utf8_lossy(name).into_owned();
        Self::Order { name: text(name), after: text(after) }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Store(error) => error.into(),
            LedgerError::Damaged { .. } | LedgerError::Missing { .. } | LedgerError::Order { .. } => Self::usage(error),
        }
    }
}
