//! Model packages by name: `builtin` or a directory.

use std::path::PathBuf;

use batch::ModelRef;
use models::Package;

use crate::engine::PackageSource;
use crate::exit::Failure;

/// A model package that was found, and what a manifest says of it.
#[derive(Clone, Debug)]
pub struct FoundModel {
    /// Where it lies on this machine.
    pub source: PackageSource,
    /// How a manifest names it.
    pub reference: ModelRef,
}

/// Finds the package that the user names: `builtin` or a directory.
pub fn find(name: &str) -> Result<FoundModel, Failure> {
    let (source, uri) = match name {
        "builtin" => (PackageSource::Builtin, name.to_owned()),
        // Another working directory must not mean another model.
        path => {
            let directory = std::fs::canonicalize(path).map_err(|error| {
                Failure::usage(format!("model {path:?}: {error}; give the directory of a model package, or `builtin`"))
            })?;
            (PackageSource::Directory(PathBuf::from(path)), directory.display().to_string())
        }
    };
    let package: Package = source.open()?;
    let reference = ModelRef { uri, digest: package.digest(), id: package.id() };
    Ok(FoundModel { source, reference })
}
