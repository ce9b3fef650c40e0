//! A directory as a store. Objects appear by an atomic rename that refuses to replace, after their bytes are on the
//! disk.

mod durable;
mod listing;
mod writer;

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;

use crate::error::{StoreError, place};
use crate::key::Key;
use crate::listing::Listing;
use crate::reader::Reader;
use crate::store::{Created, Meta};

use durable::Durable;
use listing::Walk;
pub(crate) use writer::LocalWriter;

/// A directory that holds a store. Made by [`Store::open`](crate::Store::open).
#[derive(Clone, Debug)]
pub struct LocalStore {
    durable: Arc<Durable>,
}

/// A network file system that hangs must not hang a worker for ever.
const HUNG: Duration = Duration::from_secs(300);

/// Bytes a reader takes at once.
const CHUNK: u64 = 1 << 20;

impl LocalStore {
    pub(crate) fn open(path: &str) -> Result<LocalStore, StoreError> {
        let root = std::path::absolute(path).map_err(|e| fault(path, e))?;
        match root.metadata() {
            Ok(found) if !found.is_dir() => Err(StoreError::Config {
                place: path.into(),
                cause: "it is not a directory".into(),
                remedy: "give a directory, or a path that does not exist yet",
            }),
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(fault(path, e)),
            _ => Ok(LocalStore { durable: Arc::new(Durable::new(root)) }),
        }
    }

    /// The directory, as an absolute path.
    pub fn root(&self) -> &Path {
        self.durable.root()
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root().join(key.as_str())
    }

    pub(crate) async fn create(&self, key: &Key, content: Bytes) -> Result<Created, StoreError> {
        let (durable, path) = (self.durable.clone(), self.path(key));
        blocking(place(self, key), move || {
            if durable.is_there(&path)? {
                return Ok(Created::Before);
            }
            let mut temp = durable.temp()?;
            temp.write(&content)?;
            durable.publish(temp, &path)
        })
        .await
    }

    pub(crate) async fn create_stream(&self, key: &Key) -> Result<LocalWriter, StoreError> {
        LocalWriter::begin(self.durable.clone(), self.path(key), place(self, key)).await
    }

    pub(crate) async fn overwrite(&self, key: &Key, content: Bytes) -> Result<(), StoreError> {
        let (durable, path) = (self.durable.clone(), self.path(key));
        blocking(place(self, key), move || {
            let mut temp = durable.temp()?;
            temp.write(&content)?;
            durable.replace(temp, &path)
        })
        .await
    }

    pub(crate) async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let (durable, path) = (self.durable.clone(), self.path(key));
        blocking(place(self, key), move || durable.remove(&path)).await
    }

    pub(crate) async fn head(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        let path = self.path(key);
        blocking(place(self, key), move || match path.metadata() {
            Ok(found) => Ok(found.is_file().then(|| meta(&found))),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(e),
        })
        .await
    }

    pub(crate) async fn reader(&self, key: &Key) -> Result<Option<Reader>, StoreError> {
        let place = place(self, key);
        let path = self.path(key);
        let Some((file, meta)) = blocking(place.clone(), move || open(&path)).await? else { return Ok(None) };
        let (file, size, name) = (Arc::new(file), meta.size, place.clone());
        let chunks = stream::try_unfold(0, move |at| {
            let (file, name) = (file.clone(), name.clone());
            async move {
                if at == size {
                    return Ok(None);
                }
                let chunk = blocking(name.clone(), move || read(&file, at..(at + CHUNK).min(size))).await?;
                if chunk.is_empty() {
                    return Err(StoreError::Changed {
                        place: name,
                        cause: format!("it ends after {at} of {size} bytes"),
                    });
                }
                let next = at + chunk.len() as u64;
                Ok(Some((chunk, next)))
            }
        });
        Ok(Some(Reader::new(meta, place, chunks)))
    }

    pub(crate) async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(key);
        blocking(place(self, key), move || {
            let Some((file, meta)) = open(&path)? else { return Ok(None) };
            let end = range.end.min(meta.size);
            read(&file, range.start.min(end)..end).map(Some)
        })
        .await
    }

    pub(crate) fn list(&self, prefix: &str, start_after: Option<&str>) -> Listing {
        let name = self.to_string();
        let walk = Walk::new(self.root().to_owned(), prefix, start_after);
        Listing::new(stream::try_unfold(walk, move |mut walk| {
            let name = name.clone();
            async move {
                let (page, walk) = blocking(name, move || walk.page().map(|page| (page, walk))).await?;
                Ok((!page.is_empty()).then_some((page, walk)))
            }
        }))
    }

    pub(crate) async fn folders(&self, parent: &Key) -> Result<Vec<String>, StoreError> {
        let path = self.path(parent);
        blocking(place(self, parent), move || listing::folders(&path)).await
    }
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().display().fmt(f)
    }
}

fn open(path: &Path) -> io::Result<Option<(File, Meta)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if is_absent(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    let found = file.metadata()?;
    Ok(found.is_file().then(|| (file, meta(&found))))
}

fn meta(found: &std::fs::Metadata) -> Meta {
    let etag = format!("{:x}-{:x}-{:x}.{:x}", found.ino(), found.size(), found.mtime(), found.mtime_nsec());
    Meta { size: found.size(), etag }
}

/// Up to the end of the range; shorter only if the file is.
fn read(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let mut buffer = vec![0; (range.end - range.start) as usize];
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], range.start + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    buffer.truncate(filled);
    Ok(buffer.into())
}

fn is_absent(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// File system calls block: they run on the threads that tokio keeps for such work.
async fn blocking<T: Send + 'static>(
    place: String,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::time::timeout(HUNG, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result.map_err(|e| fault(place, e)),
        Ok(Err(e)) => match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Unavailable { place, cause: "the program is shutting down".into() }),
        },
        Err(_) => {
            Err(StoreError::Unavailable { place, cause: format!("its disk did not answer for {} s", HUNG.as_secs()) })
        }
    }
}

fn fault(place: impl Into<String>, e: io::Error) -> StoreError {
    use io::ErrorKind::*;
    let (place, cause) = (place.into(), e.to_string());
    match e.kind() {
        PermissionDenied | ReadOnlyFilesystem => StoreError::Denied {
            place,
            cause,
            remedy: "make the directory writable for this user, or choose another one",
        },
        StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full { place, cause },
        NotADirectory | IsADirectory | AlreadyExists | InvalidFilename | Unsupported => {
            StoreError::Config { place, cause, remedy: "remove what is in the way, or choose another directory" }
        }
        _ => StoreError::Unavailable { place, cause },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_file_is_no_store_and_what_is_in_the_way_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("written");
        let refused = Store::open(file.to_str().expect("utf-8")).await.expect_err("a file is no directory");
        assert_eq!(refused.exit_code(), 64, "{refused}");

        let store = Store::open(dir.path().to_str().expect("utf-8")).await.expect("opened");
        let key = Key::new("file/a").expect("valid");
        assert_eq!(store.get(&key, 1).await.expect("nothing there"), None);
        let refused = store.create(&key, Bytes::new()).await.expect_err("a file is in the way");
        assert!(refused.to_string().contains("file/a") && refused.exit_code() == 64, "{refused}");
        std::fs::create_dir(dir.path().join("folder")).expect("created");
        let refused = store.create(&Key::new("folder").expect("valid"), Bytes::new()).await;
        assert_eq!(refused.expect_err("a directory is in the way").exit_code(), 64);
    }

    #[tokio::test]
    async fn opening_creates_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("new");
        let store = Store::open(&format!("file://{}", path.display())).await.expect("opened");
        assert!(store.list("", None).page().await.expect("listed").is_none());
        assert!(!path.exists());
        store.probe().await.expect("a directory can hold a store");
        assert!(path.exists());
    }

    #[tokio::test]
    async fn other_urls_are_refused() {
        for url in ["", "gs://bucket/x", "https://host/x", "s3://", "s3:///x", "s3://b/../x", "s3://b/a//b"] {
            assert!(Store::open(url).await.is_err_and(|e| e.exit_code() == 64), "{url} was opened");
        }
    }

    #[tokio::test]
    async fn an_unwritable_directory_says_what_to_do() {
        if rustix::process::geteuid().is_root() {
            // Root may write anywhere; a read-only file system still refuses it.
            let store = Store::open("/proc/pixelmill").await.expect("opened");
            store.probe().await.expect_err("/proc takes no directories");
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o555)).expect("set");
        let refused = Store::open(dir.path().to_str().expect("utf-8")).await.expect("opened").probe().await;
        let refused = refused.expect_err("it cannot be written");
        assert!(matches!(refused, StoreError::Denied { .. }) && refused.exit_code() == 64, "{refused}");
    }

    #[test]
    fn faults_are_classed() {
        let code = |kind: io::ErrorKind| fault("x", io::Error::from(kind)).exit_code();
        assert_eq!(code(io::ErrorKind::StorageFull), 75);
        assert_eq!(code(io::ErrorKind::QuotaExceeded), 75);
        assert_eq!(code(io::ErrorKind::PermissionDenied), 64);
        assert_eq!(code(io::ErrorKind::ReadOnlyFilesystem), 64);
        assert_eq!(code(io::ErrorKind::Other), 75);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_directory_conforms() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path().to_str().expect("utf-8")).await.expect("opened");
        crate::conformance::check(&store).await;
        assert!(std::fs::read_dir(dir.path().join(".tmp")).expect("made").next().is_none(), "temporary files are left");
    }
}
