//! Packages from S3: fetched once, verified by their digest, kept on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use models::{Digest, Package};
use store::{Key, Meta, Options, Store};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::entries::{Entries, Unfinished};
use super::{FoundModel, ModelError, Origin, blocking};
use crate::manifest::ModelRef;

/// A package has a handful of files; more are taken for a mistake.
const MOST_FILES: usize = 100;

/// Finds packages, and keeps those that come from S3.
#[derive(Clone, Debug)]
pub struct ModelCache {
    directory: PathBuf,
    limit: u64,
    options: Options,
}

impl ModelCache {
    /// A cache in `directory`, made when it is first needed, of at most `limit` bytes; `options` say how S3 is reached.
    pub fn new(directory: PathBuf, limit: u64, options: Options) -> Self {
        Self { directory, limit, options }
    }

    /// The package that a user names: `builtin`, a directory or `s3://bucket/prefix`. One in S3 that has not changed since
    /// it was last fetched is taken from the cache.
    ///
    /// # Errors
    /// [`ModelError`]; it says whether looking again later may help.
    pub async fn find(&self, name: &str) -> Result<FoundModel, ModelError> {
        match name {
            "builtin" => blocking(|| FoundModel::builtin().map_err(ModelError::from)).await,
            name if name.starts_with("s3://") => self.in_store(name, None).await,
            name => {
                let name = name.to_owned();
                blocking(move || FoundModel::in_directory(&name).map_err(ModelError::from)).await
            }
        }
    }

    /// The package `wanted` that a manifest names by `uri`, wherever it is: the store is asked only for what is nowhere
    /// else, and only the very package counts.
    ///
    /// # Errors
    /// [`ModelError::Other`] if another package is there; otherwise as [`find`](ModelCache::find).
    pub async fn find_wanted(&self, uri: &str, wanted: Digest) -> Result<FoundModel, ModelError> {
        if uri.starts_with("s3://") {
            return match self.cached(uri, wanted).await? {
                Some(found) => Ok(found),
                None => self.in_store(uri, Some(wanted)).await,
            };
        }
        let other = |found| Err(ModelError::Other { uri: uri.to_owned(), found, wanted });
        if uri == "builtin" && Package::builtin_digest() != wanted {
            return other(Package::builtin_digest()); // without unpacking it
        }
        let found = self.find(uri).await?;
        match found.reference.digest {
            digest if digest == wanted => Ok(found),
            digest => other(digest),
        }
    }

    /// How many bytes of packages are kept.
    pub async fn bytes(&self) -> Result<u64, ModelError> {
        let directory = self.directory.clone();
        blocking(move || Ok(Entries::open(&directory)?.make_room(u64::MAX)?)).await
    }

    /// A package of the cache. One that was damaged is removed.
    async fn cached(&self, uri: &str, digest: Digest) -> Result<Option<FoundModel>, ModelError> {
        let (directory, uri) = (self.directory.clone(), uri.to_owned());
        blocking(move || {
            let entries = Entries::open(&directory)?;
            let Some((folder, lease)) = entries.hold(digest)? else { return Ok(None) };
            match Package::open(&folder) {
                Ok(package) if package.digest() == digest => {
                    let reference = ModelRef { uri, digest, id: package.id() };
                    let (directory, lease) = (Some(folder), Some(Arc::new(lease)));
                    Ok(Some(FoundModel { directory, reference, origin: Origin::Cache, lease }))
                }
                _ => {
                    tracing::warn!(package = %folder.display(), "a package in the model cache was damaged; it is fetched again");
                    drop(lease);
                    entries.remove(digest)?;
                    Ok(None)
                }
            }
        })
        .await
    }

    async fn in_store(&self, uri: &str, wanted: Option<Digest>) -> Result<FoundModel, ModelError> {
        let uri = uri.trim_end_matches('/');
        let store = Store::open_with(uri, &self.options).await?;
        let files = list(&store, uri).await?;
        let bytes: u64 = files.iter().map(|(_, meta)| meta.size).sum();
        if bytes > self.limit {
            let limit = self.limit;
            let reason = format!("it has {bytes} bytes, the cache takes {limit}; raise --model-cache-size");
            return Err(ModelError::NotAPackage { uri: uri.to_owned(), reason });
        }
        let listing = fingerprint(uri, &files);
        let entries = self.entries().await?;
        if let (None, Some(known)) = (wanted, entries.named(listing))
            && let Some(found) = self.cached(uri, known).await?
        {
            return Ok(found);
        }
        let making = entries.clone();
        let unfinished = blocking(move || making.unfinished().map_err(ModelError::from)).await?;
        tracing::info!(model = uri, bytes, "fetching a model package");
        for (key, _) in &files {
            fetch(&store, uri, key, unfinished.path()).await?;
        }
        let digest = self.install(entries, unfinished, uri, wanted, listing).await?;
        let found = self.cached(uri, digest).await?;
        // Removed in this very moment by a process with a smaller limit: the disk is too small, which may pass.
        let gone = || ModelError::Cache(std::io::Error::other("a package was removed before it could be used"));
        Ok(FoundModel { origin: Origin::Store, ..found.ok_or_else(gone)? })
    }

    /// Checks what was fetched and puts it in its place; gives its digest.
    async fn install(
        &self,
        entries: Entries,
        unfinished: Unfinished,
        uri: &str,
        wanted: Option<Digest>,
        listing: Digest,
    ) -> Result<Digest, ModelError> {
        let (uri, limit) = (uri.to_owned(), self.limit);
        blocking(move || {
            let digest = match Package::open(unfinished.path()) {
                Ok(package) => package.digest(),
                Err(error) => return Err(ModelError::NotAPackage { uri, reason: error.to_string() }),
            };
            match wanted {
                Some(wanted) if wanted != digest => return Err(ModelError::Other { uri, found: digest, wanted }),
                _ => {}
            }
            entries.install(unfinished, digest)?;
            entries.name(listing, digest)?;
            // The new one is not in its way: it was used last.
            let held = entries.hold(digest)?;
            entries.make_room(limit)?;
            drop(held);
            Ok(digest)
        })
        .await
    }

    async fn entries(&self) -> Result<Entries, ModelError> {
        let directory = self.directory.clone();
        blocking(move || Ok(Entries::open(&directory)?)).await
    }
}

/// The files of a package, hidden ones left out.
async fn list(store: &Store, uri: &str) -> Result<Vec<(Key, Meta)>, ModelError> {
    let wrong = |reason: String| ModelError::NotAPackage { uri: uri.to_owned(), reason };
    let mut files = Vec::new();
    let mut listing = store.list("", None);
    while let Some(page) = listing.page().await? {
        for key in page.into_iter().filter(|key| !key.as_str().starts_with('.')) {
            if key.as_str().contains('/') {
                return Err(wrong(format!("it has a folder ({key}); put all files side by side")));
            }
            if files.len() == MOST_FILES {
                return Err(wrong(format!("it has more than {MOST_FILES} objects")));
            }
            if let Some(meta) = store.head(&key).await? {
                files.push((key, meta));
            }
        }
    }
    match files.is_empty() {
        true => Err(wrong("there is nothing below this prefix".into())),
        false => Ok(files),
    }
}

/// Changes whenever a file of the package does.
fn fingerprint(uri: &str, files: &[(Key, Meta)]) -> Digest {
    let files: String = files.iter().map(|(key, meta)| format!("\n{key} {} {}", meta.etag, meta.size)).collect();
    Digest::of(format!("{uri}{files}").as_bytes())
}

/// Writes one file of a package into `folder`, piece by piece.
async fn fetch(store: &Store, uri: &str, key: &Key, folder: &Path) -> Result<(), ModelError> {
    let Some(mut reader) = store.reader(key).await? else {
        let reason = format!("{key} was deleted while it was fetched");
        return Err(ModelError::NotAPackage { uri: uri.to_owned(), reason });
    };
    let mut file = File::create(folder.join(key.as_str())).await?;
    while let Some(chunk) = reader.chunk().await? {
        file.write_all(&chunk).await?;
    }
    Ok(file.flush().await?)
}
