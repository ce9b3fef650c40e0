//! The model package that a batch names: on this machine, or in S3.

use batch::{ModelCacheArgs, ModelRef};
use program::Failure;
use store::Options;

/// What a manifest says of the package `name`: `builtin`, a directory or `s3://bucket/prefix`. One in S3 is fetched into the
/// cache and validated, since its digest is what a batch names; one that has not changed since is not fetched again.
pub async fn find(name: &str, cache: &ModelCacheArgs, options: &Options) -> Result<ModelRef, Failure> {
    let found = cache.cache(options.clone()).find(name).await;
    Ok(found.map_err(|error| Failure::new(error.exit_code(), error))?.reference)
}
