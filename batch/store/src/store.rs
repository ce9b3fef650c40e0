//! The store itself: one closed set of kinds, each call goes to its kind.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::error::StoreError;
use crate::key::Key;
use crate::listing::Listing;
use crate::local::LocalStore;
use crate::options::Options;
use crate::reader::Reader;
use crate::s3::S3Store;
use crate::writer::{Inner, Writer};

/// An S3 prefix or a local directory. Cheap to clone; all clones share their connections.
#[derive(Clone, Debug)]
pub enum Store {
    /// A directory.
    Local(LocalStore),
    /// A prefix in a bucket.
    S3(S3Store),
}

/// Who made the object that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// This call did.
    Now,
    /// It was there before, from another call or process; its content may differ from ours.
    Before,
}

/// Size and version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// In bytes.
    pub size: u64,
    /// Changes whenever the content does; without quotes. Opaque otherwise.
    pub etag: String,
}

impl Store {
    /// Opens `s3://bucket/prefix`, `file:///directory` or a directory path, with default [`Options`]. Nothing is
    /// contacted or created yet: see [`probe`](Store::probe).
    ///
    /// # Errors
    /// [`StoreError::Config`] if the URL is no store's, or the AWS configuration cannot be read.
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        Store::open_with(url, &Options::default()).await
    }

    /// As [`open`](Store::open), with other options.
    ///
    /// # Errors
    /// As [`open`](Store::open).
    pub async fn open_with(url: &str, options: &Options) -> Result<Store, StoreError> {
        if let Some(location) = url.strip_prefix("s3://") {
            return Ok(Store::S3(S3Store::open(location, options).await?));
        }
        let path = url.strip_prefix("file://").unwrap_or(url);
        if path.is_empty() || path.contains("://") {
            return Err(StoreError::Config {
                place: format!("{url:?}"),
                cause: "it is not the URL of a store".into(),
                remedy: "give s3://bucket/prefix or a directory",
            });
        }
        Ok(Store::Local(LocalStore::open(path)?))
    }

    /// The content of an object of at most `limit` bytes, or `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] beyond the limit; otherwise as the store.
    pub async fn get(&self, key: &Key, limit: u64) -> Result<Option<Bytes>, StoreError> {
        match self.reader(key).await? {
            Some(reader) if reader.meta().size > limit => {
                Err(StoreError::TooLarge { place: crate::error::place(self, key), limit })
            }
            Some(reader) => reader.rest(limit).await.map(Some),
            None => Ok(None),
        }
    }

    /// The bytes `range` of an object (fewer where it ends before), or `None` if there is none.
    ///
    /// # Errors
    /// As the store.
    pub async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        match self {
            Store::Local(store) => store.get_range(key, range).await,
            Store::S3(store) => store.get_range(key, range).await,
        }
    }

    /// An object of any size as a stream, or `None` if there is none. A cut connection is resumed where it was cut, on
    /// the same version of the object.
    ///
    /// # Errors
    /// As the store.
    pub async fn reader(&self, key: &Key) -> Result<Option<Reader>, StoreError> {
        match self {
            Store::Local(store) => store.reader(key).await,
            Store::S3(store) => store.reader(key).await,
        }
    }

    /// Size and version of an object, or `None` if there is none.
    ///
    /// # Errors
    /// As the store.
    pub async fn head(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        match self {
            Store::Local(store) => store.head(key).await,
            Store::S3(store) => store.head(key).await,
        }
    }

    /// Creates an object if there is none of this name: the contract is in the documentation of this crate.
    ///
    /// # Errors
    /// As the store. After [`StoreError::Unavailable`] the object may be there or not; creating it again is safe.
    pub async fn create(&self, key: &Key, content: Bytes) -> Result<Created, StoreError> {
        match self {
            Store::Local(store) => store.create(key, content).await,
            Store::S3(store) => store.create(key, content).await,
        }
    }

    /// Begins a large object; it appears when [`Writer::finish`] returns, if there is none of this name then.
    ///
    /// # Errors
    /// As the store.
    pub async fn create_stream(&self, key: &Key) -> Result<Writer, StoreError> {
        match self {
            Store::Local(store) => Ok(Writer(Inner::Local(store.create_stream(key).await?))),
            Store::S3(store) => Ok(Writer(Inner::S3(store.create_stream(key)))),
        }
    }

    /// Replaces an object, or creates it. Only for the tombstone of a deleted batch: everything else is created once.
    ///
    /// # Errors
    /// As the store.
    pub async fn overwrite(&self, key: &Key, content: Bytes) -> Result<(), StoreError> {
        match self {
            Store::Local(store) => store.overwrite(key, content).await,
            Store::S3(store) => store.overwrite(key, content).await,
        }
    }

    /// Deletes an object. It is no error if there is none.
    ///
    /// # Errors
    /// As the store.
    pub async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        match self {
            Store::Local(store) => store.delete(key).await,
            Store::S3(store) => store.delete(key).await,
        }
    }

    /// All keys that begin with `prefix` (any text, not only whole segments) and come after `start_after`, sorted by
    /// their bytes. What is created or deleted meanwhile may be seen or not. A local store reads the names of one
    /// directory at a time into memory.
    pub fn list(&self, prefix: &str, start_after: Option<&str>) -> Listing {
        match self {
            Store::Local(store) => store.list(prefix, start_after),
            Store::S3(store) => store.list(prefix, start_after),
        }
    }

    /// The names of the direct "folders" below `parent` (`batches` gives the batch ids), sorted, without listing what
    /// is in them.
    ///
    /// # Errors
    /// As the store.
    pub async fn folders(&self, parent: &Key) -> Result<Vec<String>, StoreError> {
        match self {
            Store::Local(store) => store.folders(parent).await,
            Store::S3(store) => store.folders(parent).await,
        }
    }

    /// Whether an object still tells who made it, which is how a lost answer is recognised as a success of ours.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) async fn remembers_its_maker(&self, key: &Key) -> Result<bool, StoreError> {
        match self {
            // No answer of a directory gets lost.
            Store::Local(_) => Ok(true),
            Store::S3(store) => store.remembers_its_maker(key).await,
        }
    }

    /// Finds out by trying whether this store can be written, and whether it refuses to create what exists.
    ///
    /// # Errors
    /// [`StoreError::Config`] if it does not refuse; otherwise as the store.
    pub async fn probe(&self) -> Result<(), StoreError> {
        crate::probe::probe(self).await
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Store::Local(store) => store.fmt(f),
            Store::S3(store) => store.fmt(f),
        }
    }
}
