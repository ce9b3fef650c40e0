//! Images by their URI: objects of any bucket, files and web pages, whole and bounded; and the objects of a bucket as a
//! listing.

mod error;
mod file;
mod http;
mod objects;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::OnceCell;

pub use error::{Code, FetchError};
pub use objects::Objects;

use crate::error::StoreError;
use crate::options::Options;
use crate::s3::{Bucket, Client, connect};
use http::Web;

/// One object as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The whole key in its bucket.
    pub key: String,
    /// Without quotes.
    pub etag: String,
    /// In bytes.
    pub size: u64,
    /// Absent if the server did not say.
    pub last_modified: Option<SystemTime>,
}

/// What may be fetched, and how patiently.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Connection and patience, as of a store.
    pub options: Options,
    /// Hosts (`host` or `host:port`) that `https://` images may come from; `http://host:port` allows that host without
    /// TLS.
    pub http_hosts: Vec<String>,
    /// Directories that files must lie in, symbolic links resolved; any file if absent.
    pub file_roots: Option<Vec<PathBuf>>,
}

/// Fetches images. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Sources(Arc<Inner>);

struct Inner {
    settings: Settings,
    client: OnceCell<Client>,
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
    web: Web,
}

impl Sources {
    /// Nothing is contacted yet.
    ///
    /// # Errors
    /// [`StoreError::Config`] if a root is no directory or a host is none.
    pub fn new(settings: Settings) -> Result<Sources, StoreError> {
        let web = Web::new(&settings)?;
        let mut settings = settings;
        for root in settings.file_roots.iter_mut().flatten() {
            *root = file::root(root)?;
        }
        Ok(Sources(Arc::new(Inner { settings, client: OnceCell::new(), buckets: Mutex::default(), web })))
    }

    /// The bytes of one image: `s3://bucket/key`, `https://…`, `file:///path` or a path. With `etag` (as it was listed,
    /// without quotes) only that version. Faults that pass are retried within the patience of the settings.
    ///
    /// # Errors
    /// [`FetchError`] with its code; transient if the fault lasted longer than the patience.
    pub async fn fetch(&self, uri: &str, etag: Option<&str>, max_bytes: u64) -> Result<Bytes, FetchError> {
        if let Some(location) = uri.strip_prefix("s3://") {
            return self.fetch_object(location, etag, max_bytes).await;
        }
        if uri.starts_with("https://") || uri.starts_with("http://") {
            return self.0.web.fetch(uri, etag, max_bytes).await;
        }
        match uri.strip_prefix("file://").unwrap_or(uri) {
            path if path.contains("://") => {
                Err(FetchError::new(Code::FetchFailed, format!("{uri}: only s3://, https:// and files can be fetched")))
            }
            path => {
                file::fetch(path.into(), self.0.settings.file_roots.clone(), etag.map(str::to_owned), max_bytes).await
            }
        }
    }

    async fn fetch_object(&self, location: &str, etag: Option<&str>, max_bytes: u64) -> Result<Bytes, FetchError> {
        let Some((bucket, key)) =
            location.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
        else {
            return Err(FetchError::new(
                Code::FetchFailed,
                format!("s3://{location} names no object: give s3://bucket/key"),
            ));
        };
        let found = match self.bucket(bucket).await {
            Ok(bucket) => bucket.read(key.to_owned(), etag).await,
            Err(error) => Err(error),
        };
        let reader = match found {
            Ok(Some(reader)) => reader,
            Ok(None) => return Err(FetchError::new(Code::NotFound, format!("there is no object s3://{location}"))),
            Err(error) => return Err(error.into()),
        };
        if reader.meta().size > max_bytes {
            return Err(FetchError::too_large(reader.meta().size, max_bytes));
        }
        Ok(reader.rest(max_bytes).await?)
    }

    /// All objects of a bucket whose keys begin with `prefix`, sorted by key, several ranges of keys at a time.
    ///
    /// # Errors
    /// As a store: no bucket, no permission, unavailable.
    pub async fn list_objects(&self, bucket: &str, prefix: &str) -> Result<Objects, StoreError> {
        objects::list(self.bucket(bucket).await?, prefix).await
    }

    async fn bucket(&self, name: &str) -> Result<Arc<Bucket>, StoreError> {
        let options = &self.0.settings.options;
        let client = self.0.client.get_or_try_init(|| connect(options)).await?;
        let mut known = self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = known.get(name) {
            return Ok(bucket.clone());
        }
        // Manifests name a handful of buckets; hostile ones must not fill the memory.
        if known.len() >= 1000 {
            known.clear();
        }
        let bucket = Arc::new(Bucket::new(client.clone(), name, options));
        known.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }
}
