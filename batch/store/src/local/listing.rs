//! The files below a directory in the order of their keys, one directory's names at a time.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use crate::key::Key;

/// Keys a page.
const PAGE: usize = 1000;

/// A walk that can pause after each page.
pub(super) struct Walk {
    root: PathBuf,
    prefix: String,
    after: String,
    open: Vec<Folder>,
    begun: bool,
}

/// An open directory.
struct Folder {
    /// Relative to the root, with a `/` at its end unless it is the root.
    name: String,
    /// What is left of it, sorted; directories have a `/` at their end, which is how they compare as parts of keys.
    /// There may be millions.
    rest: vec::IntoIter<Box<str>>,
}

impl Walk {
    pub(super) fn new(root: PathBuf, prefix: &str, after: Option<&str>) -> Walk {
        Walk { root, prefix: prefix.into(), after: after.unwrap_or_default().into(), open: Vec::new(), begun: false }
    }

    /// The next keys; none at the end.
    pub(super) fn page(&mut self) -> io::Result<Vec<Key>> {
        if !self.begun {
            self.begun = true;
            let folder = self.prefix.rfind('/').map_or("", |end| &self.prefix[..=end]).to_owned();
            // No key can begin with anything else, `../` for example.
            if folder.is_empty() || Key::new(&folder[..folder.len() - 1]).is_ok() {
                self.enter(&folder)?;
            }
        }
        let mut page = Vec::new();
        while page.len() < PAGE
            && let Some(folder) = self.open.last_mut()
        {
            match folder.rest.next().map(|name| format!("{}{name}", folder.name)) {
                None => _ = self.open.pop(),
                Some(inner) if inner.ends_with('/') => self.enter(&inner)?,
                Some(name) => page.extend(Key::new(name)),
            }
        }
        Ok(page)
    }

    fn enter(&mut self, folder: &str) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in entries(&self.root.join(folder))? {
            let Some((mut name, is_folder)) = describe(&entry?)? else { continue };
            if is_folder {
                name.push('/');
            }
            if self.wants(&format!("{folder}{name}"), is_folder) {
                names.push(name.into_boxed_str());
            }
        }
        names.sort_unstable();
        self.open.push(Folder { name: folder.to_owned(), rest: names.into_iter() });
        Ok(())
    }

    fn wants(&self, name: &str, is_folder: bool) -> bool {
        if is_folder {
            (name.starts_with(&self.prefix) || self.prefix.starts_with(name))
                && (name > self.after.as_str() || self.after.starts_with(name))
        } else {
            name.starts_with(&self.prefix) && name > self.after.as_str()
        }
    }
}

/// The names of the directories in one directory, sorted.
pub(super) fn folders(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in entries(path)? {
        if let Some((name, true)) = describe(&entry?)? {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// A directory that is not there has no entries.
fn entries(path: &Path) -> io::Result<impl Iterator<Item = io::Result<DirEntry>>> {
    match fs::read_dir(path) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(e) if super::is_absent(&e) => Ok(None.into_iter().flatten()),
        Err(e) => Err(e),
    }
}

/// Name and whether it is a directory; nothing for what can be no part of a key, or vanished meanwhile.
fn describe(entry: &DirEntry) -> io::Result<Option<(String, bool)>> {
    let Ok(name) = entry.file_name().into_string() else { return Ok(None) };
    if Key::new(name.as_str()).is_err() {
        return Ok(None);
    }
    let mut kind = entry.file_type()?;
    if kind.is_symlink() {
        match entry.path().metadata() {
            Ok(target) => kind = target.file_type(),
            Err(_) => return Ok(None),
        }
    }
    Ok((kind.is_dir() || kind.is_file()).then_some((name, kind.is_dir())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(root: &Path, prefix: &str, after: Option<&str>) -> Vec<String> {
        let mut walk = Walk::new(root.to_owned(), prefix, after);
        let mut all = Vec::new();
        loop {
            match walk.page().expect("listed") {
                page if page.is_empty() => return all,
                page => all.extend(page.iter().map(|key| key.to_string())),
            }
        }
    }

    #[test]
    fn foreign_names_and_the_world_outside_are_never_listed() {
        let outside = tempfile::tempdir().expect("a directory");
        let root = outside.path().join("root");
        for name in ["a", "a b", "é", ".tmp/x", ".tmp-1", "sub/b"] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("created");
            fs::write(path, "").expect("written");
        }
        fs::write(outside.path().join("secret"), "").expect("written");
        assert_eq!(keys(&root, "", None), ["a", "sub/b"]);
        for prefix in ["../", "../s", "/", "sub/../", "./"] {
            assert!(keys(&root, prefix, None).is_empty(), "{prefix} was listed");
        }
    }
}
