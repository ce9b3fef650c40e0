//! Finding the model package that a user or a manifest names: built in, in a directory, or in S3.

mod cache;
mod entries;
mod error;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use models::{Package, PackageError};

use crate::manifest::ModelRef;

pub use cache::ModelCache;
pub use entries::Lease;
pub use error::ModelError;

/// A model package on this machine, and what a manifest says of it.
#[derive(Clone, Debug)]
pub struct FoundModel {
    /// Where it lies; none: compiled into the binary.
    pub directory: Option<PathBuf>,
    /// How a manifest names it.
    pub reference: ModelRef,
    /// Where it was.
    pub origin: Origin,
    /// Keeps a package of the cache from being removed.
    pub lease: Option<Arc<Lease>>,
}

/// Where a package was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the binary.
    Builtin,
    /// In a directory of this machine.
    Directory,
    /// In the cache of packages from S3.
    Cache,
    /// In S3; it is in the cache now.
    Store,
}

impl FoundModel {
    /// The package in the binary.
    ///
    /// # Errors
    /// None, as the tests show; the same checks as for any package are made.
    pub fn builtin() -> Result<Self, PackageError> {
        let package = Package::builtin()?;
        Ok(Self::of(&package, "builtin".into(), None, Origin::Builtin))
    }

    /// The package in directory `name`. Reads all of it, for its digest.
    ///
    /// # Errors
    /// What is wrong with the package.
    pub fn in_directory(name: &str) -> Result<Self, PackageError> {
        let package = Package::open(Path::new(name))?;
        // Another working directory must not mean another model.
        let directory = std::fs::canonicalize(name);
        let directory =
            directory.map_err(|source| PackageError::Unreadable { package: name.into(), file: ".".into(), source })?;
        let uri = directory.display().to_string();
        Ok(Self::of(&package, uri, Some(directory), Origin::Directory))
    }

    fn of(package: &Package, uri: String, directory: Option<PathBuf>, origin: Origin) -> Self {
        let reference = ModelRef { uri, digest: package.digest(), id: package.id() };
        Self { directory, reference, origin, lease: None }
    }
}

/// Runs what reads or writes files off the runtime, whose threads must never wait for a disk.
async fn blocking<T: Send + 'static, E: From<std::io::Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(std::io::Error::other(error).into()),
    }
}
