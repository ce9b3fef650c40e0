//! What can go wrong while a model package is looked for.

use std::io;

use models::{Digest, PackageError};
use store::StoreError;

/// Why there is no model package.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A directory is no model package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The store that holds it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What lies in the store is no model package.
    #[error("{uri} is no model package: {reason}")]
    NotAPackage {
        /// As it was given.
        uri: String,
        /// Why, and what to do.
        reason: String,
    },
    /// It is another package than the manifest says.
    #[error(
        "{uri} has the digest {found}, the batch wants {wanted}: put the package back that the batch was made with"
    )]
    Other {
        /// As the manifest names it.
        uri: String,
        /// What is there.
        found: Digest,
        /// What should be there.
        wanted: Digest,
    },
    /// The cache directory cannot be used.
    #[error("the model cache: {0}; give a directory that can be written with --model-cache")]
    Cache(#[from] io::Error),
}

impl ModelError {
    /// Whether looking again later may help, without anybody changing something.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Cache(error) => !matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotADirectory
            ),
            Self::Package(_) | Self::NotAPackage { .. } | Self::Other { .. } => false,
        }
    }

    /// The exit code of a program that ends with this error: 75 if another run may succeed, 64 if not.
    pub fn exit_code(&self) -> u8 {
        if self.is_retryable() { 75 } else { 64 }
    }
}
