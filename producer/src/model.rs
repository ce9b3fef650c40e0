//! The model package that a batch names: on this machine, or in S3.

use batch::{FoundModel, ModelRef};
use models::Package;
use store::{Options, Store};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::exit::Failure;

/// A package has a handful of files; more are taken for a mistake.
const MOST_FILES: usize = 100;

/// What a manifest says of the package `name`: `builtin`, a directory or `s3://bucket/prefix`. One in S3 is fetched once,
/// validated, and thrown away: only its digest matters here.
pub async fn find(name: &str, options: &Options) -> Result<ModelRef, Failure> {
    if !name.starts_with("s3://") {
        return Ok(FoundModel::find(name)?.reference);
    }
    let failed = |error: std::io::Error| Failure::unavailable(format!("fetching {name}: {error}"));
    let source = Store::open_with(name.trim_end_matches('/'), options).await?;
    let folder = tempfile::tempdir().map_err(failed)?;
    let mut files = 0;
    let mut listing = source.list("", None);
    while let Some(page) = listing.page().await? {
        files += page.len();
        if files > MOST_FILES {
            return Err(Failure::usage(format!("{name} has more than {MOST_FILES} objects: it is no model package")));
        }
        for key in page {
            if key.as_str().contains('/') {
                return Err(Failure::usage(format!("{name} has a folder ({key}): it is no model package")));
            }
            let Some(mut reader) = source.reader(&key).await? else { continue };
            let mut file = File::create(folder.path().join(key.as_str())).await.map_err(failed)?;
            while let Some(chunk) = reader.chunk().await? {
                file.write_all(&chunk).await.map_err(failed)?;
            }
            file.flush().await.map_err(failed)?;
        }
    }
    if files == 0 {
        return Err(Failure::usage(format!("there is nothing below {name}")));
    }
    let package = Package::open(folder.path());
    let package = package.map_err(|error| Failure::usage(format!("{name} is no model package: {error}")))?;
    Ok(ModelRef { uri: name.trim_end_matches('/').to_owned(), digest: package.digest(), id: package.id() })
}
