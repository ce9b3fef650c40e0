//! Files that appear whole, at most once, and survive a power cut; and the temporary files they are made of.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::store::Created;
use crate::unique::unique;

/// Where unfinished files lie, below the root, so that a rename never crosses file systems. No key begins like this.
const TEMPORARY: &str = ".tmp";
/// No writer leaves its file alone that long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// Another process may remove an empty directory while we create in it: that often we make it again.
const ATTEMPTS: u32 = 100;

/// Creates, replaces and removes files below one directory.
#[derive(Debug)]
pub(super) struct Durable {
    root: PathBuf,
    swept: Once,
}

impl Durable {
    pub(super) fn new(root: PathBuf) -> Durable {
        Durable { root, swept: Once::new() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a file of this name exists; if so it is durable, whoever made it.
    pub(super) fn is_there(&self, path: &Path) -> io::Result<bool> {
        match path.metadata() {
            Ok(found) if found.is_file() => {
                sync(parent(path))?;
                Ok(true)
            }
            Ok(_) => Err(io::Error::new(io::ErrorKind::IsADirectory, "there is a directory of this name")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// An empty temporary file; it is removed when dropped, unless it was published.
    pub(super) fn temp(&self) -> io::Result<Temp> {
        let folder = self.root.join(TEMPORARY);
        let mut made = make_folder(&folder);
        self.swept.call_once(|| sweep(&folder));
        for _ in 0..ATTEMPTS {
            made?;
            let path = folder.join(unique());
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Temp { file, path, published: false }),
                Err(e) if e.kind() == io::ErrorKind::NotFound => made = make_folder(&folder),
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other("the folder of temporary files is removed again and again"))
    }

    /// Gives the file its name, if that is still free.
    pub(super) fn publish(&self, mut temp: Temp, path: &Path) -> io::Result<Created> {
        temp.file.sync_all()?;
        let created = in_folder(parent(path), || match rename_if_absent(&temp.path, path) {
            Ok(()) => Ok(Created::Now),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(Created::Before),
            Err(e) => Err(e),
        })?;
        match created {
            Created::Now => {
                temp.published = true;
                sync(parent(path))?;
            }
            // A directory of this name would be an error.
            Created::Before => _ = self.is_there(path)?,
        }
        Ok(created)
    }

    /// Gives the file its name, and removes what had it before.
    pub(super) fn replace(&self, mut temp: Temp, path: &Path) -> io::Result<()> {
        temp.file.sync_all()?;
        in_folder(parent(path), || fs::rename(&temp.path, path))?;
        temp.published = true;
        sync(parent(path))
    }

    /// Removes a file and the directories that became empty by it.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Ok(()) => {}
            Err(e) if super::is_absent(&e) => return Ok(()),
            // Linux says so for a directory; S3 would say that there is no such object.
            Err(e) if e.kind() == io::ErrorKind::IsADirectory => return Ok(()),
            Err(e) => return Err(e),
        }
        let mut folder = parent(path);
        match sync(folder) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        // Best effort: an object store has no empty directories either.
        while folder != self.root && folder.starts_with(&self.root) && fs::remove_dir(folder).is_ok() {
            folder = parent(folder);
        }
        Ok(())
    }
}

/// A file that nobody sees yet.
#[derive(Debug)]
pub(super) struct Temp {
    file: File,
    path: PathBuf,
    published: bool,
}

impl Temp {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // What cannot be removed now is swept a day later.
        if !self.published {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn rename_if_absent(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network file systems do not know the flag; a hard link refuses an existing name just as atomically.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        other => other.map_err(io::Error::from),
    }
}

/// Runs `work`; while its folder does not exist, makes the folder and runs it again.
fn in_folder<T>(folder: &Path, work: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..ATTEMPTS {
        match work() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => make_folder(folder)?,
            other => return other,
        }
    }
    Err(io::Error::other("its directory is removed again and again"))
}

/// As `create_dir_all`, but each new directory is durable in its parent.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => sync_if_there(parent(folder)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound && folder.parent().is_some() => {
            make_folder(parent(folder))?;
            match fs::create_dir(folder) {
                Ok(()) => sync_if_there(parent(folder)),
                // Made or removed by another process meanwhile: the caller's next attempt sees what holds.
                Err(e) if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => Ok(()),
                Err(e) => Err(e),
            }
        }
        Err(e) => Err(e),
    }
}

fn sync_if_there(folder: &Path) -> io::Result<()> {
    match sync(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems cannot sync a directory; they promise what they promise.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Removes what crashed writers left behind. Best effort: it only saves space.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|found| found.modified()).map(|at| at.elapsed().unwrap_or_default());
        if age.is_ok_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder can be read");
        entries.map(|e| e.expect("entry").file_name().into_string().expect("utf-8")).collect()
    }

    #[test]
    fn only_abandoned_temporary_files_are_swept() {
        let root = tempfile::tempdir().expect("a directory");
        let folder = root.path().join(TEMPORARY);
        fs::create_dir(&folder).expect("created");
        for (name, age) in [("old", ABANDONED * 2), ("young", ABANDONED / 2)] {
            let file = File::create(folder.join(name)).expect("created");
            file.set_modified(std::time::SystemTime::now() - age).expect("dated");
        }
        let durable = Durable::new(root.path().to_owned());
        drop(durable.temp().expect("a temporary file"));
        assert_eq!(names(&folder), ["young"]);
    }

    #[test]
    fn a_loser_leaves_nothing_and_changes_nothing() {
        let root = tempfile::tempdir().expect("a directory");
        let durable = Durable::new(root.path().to_owned());
        let path = root.path().join("a/b/c");
        for (content, created) in [("one", Created::Now), ("two", Created::Before)] {
            let mut temp = durable.temp().expect("a temporary file");
            temp.write(content.as_bytes()).expect("written");
            assert_eq!(durable.publish(temp, &path).expect("published"), created);
        }
        assert_eq!(fs::read_to_string(&path).expect("read"), "one");
        assert!(names(&root.path().join(TEMPORARY)).is_empty());
    }

    #[test]
    fn the_hard_link_refuses_an_existing_name_too() {
        let root = tempfile::tempdir().expect("a directory");
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::write(&from, "new").expect("written");
        fs::write(&to, "old").expect("written");
        let refused = fs::hard_link(&from, &to).expect_err("the name is taken");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        let refused = rename_if_absent(&from, &to).expect_err("the name is taken");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&to).expect("read"), "old");
    }

    #[test]
    fn empty_directories_go_with_their_last_file() {
        let root = tempfile::tempdir().expect("a directory");
        let durable = Durable::new(root.path().to_owned());
        for name in ["a/b/c", "a/d"] {
            durable.publish(durable.temp().expect("a temporary file"), &root.path().join(name)).expect("published");
        }
        durable.remove(&root.path().join("a/b/c")).expect("removed");
        assert_eq!(names(&root.path().join("a")), ["d"]);
        durable.remove(&root.path().join("a/d")).expect("removed");
        assert_eq!(names(root.path()), [TEMPORARY]);
    }
}
