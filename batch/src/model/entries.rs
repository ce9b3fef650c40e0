//! The cache directory: one folder per package, named by its digest. Any number of processes may share it.
//!
//! A package is made in a folder of its own and renamed into its place, so that it is there whole or not at all. Whoever
//! uses one holds a shared lock on its folder; whoever removes one holds it alone, and renames it away first. Locks end with
//! their process, however that ends, so nothing is left locked. What a killed process left half made is removed by the next
//! one that makes room.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use models::Digest;
use rustix::fs::{FlockOperation, flock};

/// Folders of packages that are being made or removed.
const UNFINISHED: &str = ".unfinished-";
/// Files that say which package was found under a name, by the digest of name and listing.
const NAMES: &str = ".names";
/// Touched whenever the package is used; hidden files do not count into its digest.
const USED: &str = ".used";

/// The packages in one directory.
#[derive(Clone, Debug)]
pub(super) struct Entries(PathBuf);

/// Keeps a package from being removed while somebody uses it.
#[derive(Debug)]
pub struct Lease {
    _locked: File,
}

impl Entries {
    /// The cache in `directory`, which is made.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", directory.display()));
        fs::create_dir_all(directory.join(NAMES)).map_err(about)?;
        Ok(Self(directory.canonicalize().map_err(about)?))
    }

    /// The folder of a package, if it is there, held from now on. Its contents are not looked at.
    pub(super) fn hold(&self, digest: Digest) -> io::Result<Option<(PathBuf, Lease)>> {
        let folder = self.0.join(digest.to_string());
        let locked = match File::open(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        if flock(&locked, FlockOperation::NonBlockingLockShared).is_err() {
            // It is being removed.
            return Ok(None);
        }
        // Removed, and perhaps made again, between opening and locking.
        let still_there = fs::metadata(&folder).is_ok_and(|now| locked.metadata().is_ok_and(|held| same(&now, &held)));
        if !still_there {
            return Ok(None);
        }
        let _only_the_order_of_removal = fs::write(folder.join(USED), "");
        Ok(Some((folder, Lease { _locked: locked })))
    }

    /// An empty folder for a package that is being made; it is gone when dropped.
    pub(super) fn unfinished(&self) -> io::Result<Unfinished> {
        let folder = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.0)?;
        let locked = File::open(folder.path())?;
        flock(&locked, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Unfinished { folder, locked })
    }

    /// Puts a whole package in its place. If another process was faster, that one's counts: they are the same bytes.
    pub(super) fn install(&self, package: Unfinished, digest: Digest) -> io::Result<()> {
        for file in fs::read_dir(package.path())? {
            File::open(file?.path())?.sync_all()?;
        }
        // From the moment it is there it can be used.
        flock(&package.locked, FlockOperation::NonBlockingLockShared)?;
        match fs::rename(package.path(), self.0.join(digest.to_string())) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Removes a package, unless somebody uses it.
    pub(super) fn remove(&self, digest: Digest) -> io::Result<bool> {
        self.remove_folder(&self.0.join(digest.to_string()))
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<bool> {
        let locked = match File::open(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        if flock(&locked, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(false);
        }
        // Out of the way in one step: nobody may open half of it.
        let away = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.0)?;
        match fs::rename(folder, away.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            renamed => renamed?,
        }
        away.close()?;
        Ok(true)
    }

    /// Removes the packages that were not used for the longest time until at most `limit` bytes are left, and what killed
    /// processes left. Packages in use stay. Gives the bytes that are left.
    pub(super) fn make_room(&self, limit: u64) -> io::Result<u64> {
        let mut packages = Vec::new();
        for folder in fs::read_dir(&self.0)? {
            let (path, name) = folder.map(|folder| (folder.path(), folder.file_name()))?;
            let name = name.to_string_lossy();
            if name.starts_with(UNFINISHED) {
                // One that is at work holds a lock; the moment before it does so is spared by the age.
                if age(&path).is_some_and(|age| age.as_secs() > 60) {
                    self.remove_folder(&path)?;
                }
            } else if name.parse::<Digest>().is_ok() {
                packages.push((age(&path.join(USED)).unwrap_or_default(), size(&path), path));
            }
        }
        packages.sort();
        let mut total = packages.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in packages.iter().rev() {
            if total <= limit {
                break;
            }
            if self.remove_folder(path)? {
                tracing::info!(package = %path.display(), bytes = size, "removed from the model cache");
                total -= size;
            }
        }
        Ok(total)
    }

    /// The package that was found under a name with this listing before.
    pub(super) fn named(&self, listing: Digest) -> Option<Digest> {
        fs::read_to_string(self.0.join(NAMES).join(listing.to_string())).ok()?.trim().parse().ok()
    }

    /// Remembers which package was found under a name with this listing.
    pub(super) fn name(&self, listing: Digest, package: Digest) -> io::Result<()> {
        let names = self.0.join(NAMES);
        let file = tempfile::NamedTempFile::new_in(&names)?;
        fs::write(file.path(), package.to_string())?;
        file.persist(names.join(listing.to_string())).map_err(|error| error.error)?;
        Ok(())
    }
}

/// A package that is being made.
pub(super) struct Unfinished {
    folder: tempfile::TempDir,
    locked: File,
}

impl Unfinished {
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn age(path: &Path) -> Option<std::time::Duration> {
    let modified = fs::metadata(path).and_then(|found| found.modified()).ok()?;
    SystemTime::now().duration_since(modified).ok()
}

fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Entries) {
        let directory = tempfile::tempdir().unwrap();
        let entries = Entries::open(&directory.path().join("deep/cache")).unwrap();
        (directory, entries)
    }

    /// A "package" of so many bytes that was last used so many seconds ago.
    fn add(entries: &Entries, name: &str, bytes: usize, used: u64) -> Digest {
        let digest = Digest::of(name.as_bytes());
        let unfinished = entries.unfinished().unwrap();
        fs::write(unfinished.path().join("model.onnx"), vec![0; bytes]).unwrap();
        entries.install(unfinished, digest).unwrap();
        let (folder, _lease) = entries.hold(digest).unwrap().unwrap();
        let file = File::options().write(true).open(folder.join(USED)).unwrap();
        file.set_modified(SystemTime::now() - std::time::Duration::from_secs(used)).unwrap();
        digest
    }

    fn is_there(entries: &Entries, digest: Digest) -> bool {
        entries.0.join(digest.to_string()).exists()
    }

    #[test]
    fn the_package_that_was_not_used_for_longest_goes_first_and_one_in_use_stays() {
        let (_directory, entries) = cache();
        let [old, held, new] = [("old", 900), ("held", 800), ("new", 10)].map(|(n, used)| add(&entries, n, 1000, used));
        let (_, lease) = entries.hold(held).unwrap().unwrap();
        let file = File::options().write(true).open(entries.0.join(held.to_string()).join(USED)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(entries.make_room(2000).unwrap(), 2000);
        assert_eq!([old, held, new].map(|digest| is_there(&entries, digest)), [false, true, true]);
        assert_eq!(entries.make_room(0).unwrap(), 1000, "the one in use is left");
        drop(lease);
        assert_eq!(entries.make_room(0).unwrap(), 0);
        assert!(entries.hold(held).unwrap().is_none());
    }

    #[test]
    fn of_two_that_make_the_same_package_one_counts_and_nothing_is_left_behind() {
        let (_directory, entries) = cache();
        let first = add(&entries, "same", 10, 5);
        assert_eq!(add(&entries, "same", 10, 5), first);
        let unfinished = |entries: &Entries| {
            let names = fs::read_dir(&entries.0).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name.to_string_lossy().starts_with(UNFINISHED)).count()
        };
        assert_eq!(unfinished(&entries), 0);
        // One at work is left alone, however old; one whose process is gone is not.
        let long_ago = SystemTime::now() - std::time::Duration::from_secs(3600);
        let working = entries.unfinished().unwrap();
        let dead = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&entries.0).unwrap().keep();
        for folder in [working.path(), &dead] {
            File::open(folder).unwrap().set_modified(long_ago).unwrap();
        }
        entries.make_room(u64::MAX).unwrap();
        assert!(working.path().exists() && !dead.exists());
        drop(working);
        assert_eq!(unfinished(&entries), 0);
    }

    #[test]
    fn names_are_remembered_by_their_listing() {
        let (_directory, entries) = cache();
        let (listing, package) = (Digest::of(b"listing"), Digest::of(b"package"));
        assert_eq!(entries.named(listing), None);
        entries.name(listing, package).unwrap();
        assert_eq!(entries.named(listing), Some(package));
    }
}
