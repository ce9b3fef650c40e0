//! Files, folders and globs. What cannot be listed is still named, so that it gets its error row.

use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;
use walkdir::WalkDir;

use super::{Found, unusable};
use crate::error::BatchError;
use crate::image::ImageRef;

/// A file that the user named.
pub(super) fn file(path: &Path) -> ImageRef {
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    ImageRef { size, ..ImageRef::new(path.to_string_lossy()) }
}

/// Everything below `root`, by name, without hidden names. `found` answers whether to go on.
pub(super) fn walk(root: &Path, found: &mut dyn FnMut(Found) -> bool) -> Result<(), BatchError> {
    let visible =
        |entry: &walkdir::DirEntry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.');
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name().into_iter().filter_entry(visible) {
        let next = match entry {
            Ok(entry) if entry.file_type().is_dir() => continue,
            Ok(entry) => known(&entry),
            // A loop of links leads to images that are listed already.
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) => match error.path() {
                Some(path) => Found { image: ImageRef::new(path.to_string_lossy()), modified: None },
                None => return Err(unusable(&root.display().to_string(), &error.to_string())),
            },
        };
        if !found(next) {
            break;
        }
    }
    Ok(())
}

fn known(entry: &walkdir::DirEntry) -> Found {
    let metadata = entry.metadata().ok();
    let size = metadata.as_ref().filter(|metadata| metadata.is_file()).map(std::fs::Metadata::len);
    let modified = metadata.and_then(|metadata| jiff::Timestamp::try_from(metadata.modified().ok()?).ok());
    Found { image: ImageRef { size, ..ImageRef::new(entry.path().to_string_lossy()) }, modified }
}

/// All files whose path matches `pattern`; none at all is an error, since a pattern is easily misspelt.
pub(super) fn glob(pattern: &str, found: &mut dyn FnMut(Found) -> bool) -> Result<(), BatchError> {
    let matcher = GlobBuilder::new(pattern).literal_separator(true).build();
    let matcher = matcher.map_err(|error| unusable(pattern, &error.to_string()))?.compile_matcher();
    let mut any = false;
    walk(&fixed_part(pattern), &mut |next| {
        let path = next.image.uri.strip_prefix("./").unwrap_or(&next.image.uri);
        if !matcher.is_match(&next.image.uri) && !matcher.is_match(path) {
            return true;
        }
        any = true;
        found(next)
    })?;
    if any { Ok(()) } else { Err(unusable(pattern, "no file matches this pattern")) }
}

/// The folders before the first wildcard: nothing outside them can match.
fn fixed_part(pattern: &str) -> PathBuf {
    let is_fixed = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
    let fixed: PathBuf = Path::new(pattern).components().take_while(is_fixed).collect();
    if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed }
}
