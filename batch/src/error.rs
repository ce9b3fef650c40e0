//! What can go wrong with a stored batch.

use models::Digest;
use store::StoreError;

use crate::image::InvalidImage;
use crate::manifest::ManifestError;

/// What can go wrong with a stored batch. No kind of it is the fault of an image.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The store gave up.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The broker.
    #[error(transparent)]
    Queue(#[from] queue::QueueError),
    /// The stored manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An image cannot be listed.
    #[error(transparent)]
    Image(#[from] InvalidImage),
    /// A stored object is not what the manifest says.
    #[error("{key} is damaged: {reason}; restore it, or delete the batch and enqueue it again")]
    Damaged {
        /// The object.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The batch was deleted; its id stays refused.
    #[error("{batch} says that this batch was deleted; its id stays refused")]
    Deleted {
        /// The tombstone.
        batch: String,
        /// The digest of the manifest that was there.
        manifest: Option<Digest>,
    },
    /// An INPUT argument cannot be used.
    #[error("input {input}: {reason}")]
    Input {
        /// The argument.
        input: String,
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// The batch exists and is another one.
    #[error("{batch} exists and is another batch: {difference}; use another name, or the same arguments")]
    Other {
        /// The batch's name or folder.
        batch: String,
        /// The first difference.
        difference: String,
    },
    /// Results could not be encoded, or scratch space not be written.
    #[error("{doing}: {reason}")]
    Local {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        reason: String,
    },
}

impl BatchError {
    /// The exit code of a program that ends with this error (sysexits: 64 do not retry, 75 try again later).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(error) => error.exit_code(),
            Self::Queue(error) => error.exit_code(),
            Self::Deleted { .. }
            | Self::Manifest(_)
            | Self::Image(_)
            | Self::Input { .. }
            | Self::Damaged { .. }
            | Self::Other { .. } => 64,
            Self::Local { .. } => 75,
        }
    }

    pub(crate) fn damaged(key: &store::Key, reason: impl std::fmt::Display) -> Self {
        Self::Damaged { key: key.to_string(), reason: reason.to_string() }
    }

    pub(crate) fn local(doing: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |reason| Self::Local { doing, reason: reason.to_string() }
    }
}
