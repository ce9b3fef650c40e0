//! Images from files: regular files only, below the allowed roots, without ever blocking on what is no file.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Code, FetchError};
use crate::error::StoreError;

/// A network file system that hangs must not hang a worker for ever.
const HUNG: Duration = Duration::from_secs(60);

/// A root as it is compared: absolute, without symbolic links.
pub(super) fn root(path: &Path) -> Result<PathBuf, StoreError> {
    let config = |cause: String| StoreError::Config {
        place: path.display().to_string(),
        cause,
        remedy: "give an existing directory as root of the files",
    };
    let root = path.canonicalize().map_err(|e| config(e.to_string()))?;
    if root.is_dir() { Ok(root) } else { Err(config("it is not a directory".into())) }
}

pub(super) async fn fetch(
    path: PathBuf,
    roots: Option<Vec<PathBuf>>,
    etag: Option<String>,
    max_bytes: u64,
) -> Result<Bytes, FetchError> {
    let read = move || read(&path, roots.as_deref(), etag.as_deref(), max_bytes);
    match tokio::time::timeout(HUNG, tokio::task::spawn_blocking(read)).await {
        Ok(Ok(result)) => result,
        Ok(Err(e)) => Err(FetchError::transient(format!("the read was given up: {e}"))),
        Err(_) => Err(FetchError::transient(format!("its disk did not answer for {} s", HUNG.as_secs()))),
    }
}

fn read(path: &Path, roots: Option<&[PathBuf]>, etag: Option<&str>, max_bytes: u64) -> Result<Bytes, FetchError> {
    let fault = |e: io::Error| fault(path, e);
    let path_to_open = match roots {
        None => path.to_owned(),
        Some(roots) => {
            let resolved = path.canonicalize().map_err(fault)?;
            if !roots.iter().any(|root| resolved.starts_with(root)) {
                let message = format!("{} lies outside the directories that images may come from", path.display());
                return Err(FetchError::new(Code::Denied, message));
            }
            resolved
        }
    };
    // Without the flag, opening a FIFO would wait for its other end. The last segment is resolved already where it
    // matters.
    let nonblock = OFlags::NONBLOCK.bits() as i32;
    let nofollow = if roots.is_some() { OFlags::NOFOLLOW.bits() as i32 } else { 0 };
    let file = OpenOptions::new().read(true).custom_flags(nonblock | nofollow).open(&path_to_open).map_err(fault)?;
    let found = file.metadata().map_err(fault)?;
    if !found.is_file() {
        return Err(FetchError::new(Code::Denied, format!("{} is not a regular file", path.display())));
    }
    if etag.is_some_and(|listed| listed != version(&found)) {
        return Err(FetchError::new(Code::Changed, format!("{} changed since it was listed", path.display())));
    }
    if found.len() > max_bytes {
        return Err(FetchError::too_large(found.len(), max_bytes));
    }
    let mut content = Vec::with_capacity(found.len() as usize);
    file.take(max_bytes + 1).read_to_end(&mut content).map_err(fault)?;
    if content.len() as u64 > max_bytes {
        return Err(FetchError::too_large(content.len() as u64, max_bytes));
    }
    Ok(content.into())
}

/// What stands for an ETag where a file was listed with one: `seconds.nanoseconds-size` of its last change.
fn version(found: &std::fs::Metadata) -> String {
    format!("{}.{:09}-{}", found.mtime(), found.mtime_nsec(), found.size())
}

fn fault(path: &Path, e: io::Error) -> FetchError {
    use io::ErrorKind::*;
    let message = format!("{}: {e}", path.display());
    // URIs are text: the listing of a folder wrote this character for what is none.
    let not_text = e.kind() == NotFound && path.to_string_lossy().contains('\u{FFFD}');
    match e.kind() {
        NotFound if not_text => {
            let message = format!("{}: no such file; if its name is not UTF-8, rename it", path.display());
            FetchError::new(Code::NotFound, message)
        }
        NotFound | NotADirectory | InvalidFilename => FetchError::new(Code::NotFound, message),
        PermissionDenied => FetchError::new(Code::Denied, message),
        IsADirectory => FetchError::new(Code::Denied, message),
        // A last segment that became a symbolic link after it was resolved; a socket, a device without a driver.
        _ if is_any_of(&e, &[Errno::LOOP, Errno::NXIO, Errno::NODEV]) => FetchError::new(Code::Denied, message),
        InvalidInput => FetchError::new(Code::FetchFailed, message),
        _ => FetchError::transient(message),
    }
}

fn is_any_of(e: &io::Error, errors: &[Errno]) -> bool {
    errors.iter().any(|known| e.raw_os_error() == Some(known.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    async fn code(path: &Path, roots: Option<Vec<PathBuf>>, max: u64) -> Result<Bytes, Code> {
        let fetched = tokio::time::timeout(Duration::from_secs(10), fetch(path.to_owned(), roots, None, max));
        fetched.await.expect("it must not block").map_err(|e| e.code())
    }

    #[tokio::test]
    async fn only_regular_files_of_the_right_size_are_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a.jpg");
        fs::write(&file, "12345").expect("written");
        assert_eq!(code(&file, None, 5).await.expect("it is a file"), "12345");
        assert_eq!(code(&file, None, 4).await, Err(Code::TooLarge));
        assert_eq!(code(&dir.path().join("b.jpg"), None, 5).await, Err(Code::NotFound));
        assert_eq!(code(&file.join("b.jpg"), None, 5).await, Err(Code::NotFound));
        assert_eq!(code(dir.path(), None, 5).await, Err(Code::Denied));
        assert_eq!(code(Path::new("/dev/zero"), None, 5).await, Err(Code::Denied));
    }

    #[tokio::test]
    async fn a_name_that_is_no_text_is_explained() {
        let error = fetch("/nowhere/caf\u{FFFD}.jpg".into(), None, None, 5).await.expect_err("no such file");
        assert_eq!(error.code(), Code::NotFound);
        assert!(error.to_string().contains("rename"), "{error}");
    }

    #[tokio::test]
    async fn a_fifo_does_not_block() {
        let dir = tempfile::tempdir().expect("a directory");
        let fifo = dir.path().join("fifo");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).expect("made");
        assert_eq!(code(&fifo, None, 5).await, Err(Code::Denied));
    }

    #[tokio::test]
    async fn links_do_not_lead_out_of_the_roots() {
        let dir = tempfile::tempdir().expect("a directory");
        let inside = dir.path().join("inside");
        fs::create_dir(&inside).expect("created");
        fs::write(dir.path().join("secret"), "12345").expect("written");
        fs::write(inside.join("a"), "12345").expect("written");
        std::os::unix::fs::symlink("../secret", inside.join("out")).expect("linked");
        std::os::unix::fs::symlink("a", inside.join("in")).expect("linked");
        let roots = Some(vec![root(&inside).expect("a directory")]);
        assert_eq!(code(&inside.join("a"), roots.clone(), 5).await.expect("inside"), "12345");
        assert_eq!(code(&inside.join("in"), roots.clone(), 5).await.expect("inside"), "12345");
        assert_eq!(code(&inside.join("out"), roots.clone(), 5).await, Err(Code::Denied));
        assert_eq!(code(&inside.join("../secret"), roots.clone(), 5).await, Err(Code::Denied));
        assert_eq!(code(Path::new("/etc/hostname"), roots, 5).await, Err(Code::Denied));
    }

    #[tokio::test]
    async fn another_version_is_changed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a.jpg");
        fs::write(&file, "12345").expect("written");
        let listed = version(&file.metadata().expect("it is there"));
        fetch(file.clone(), None, Some(listed.clone()), 10).await.expect("unchanged");
        fs::write(&file, "123456").expect("written");
        let error = fetch(file, None, Some(listed), 10).await.expect_err("changed");
        assert_eq!(error.code(), Code::Changed);
    }
}
