//! A prefix in an S3 bucket as a store. All aws types of the product are in here.

mod body;
mod bucket;
mod client;
mod create;
mod fault;
mod list;
mod shortcut;
mod upload;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;

use crate::error::StoreError;
use crate::key::Key;
use crate::listing::Listing;
use crate::options::Options;
use crate::reader::Reader;
use crate::store::{Created, Meta};

pub(crate) use bucket::Bucket;
pub(crate) use client::{Client, choose_tls, connect};
pub(crate) use fault::{Kind, chain, given_up};
pub(crate) use list::{FOLDERS, Span};
pub(crate) use upload::S3Writer;

/// Makes a bucket if it is not there: for a server of one's own. On AWS, buckets are better made where their permissions and
/// lifecycle are.
///
/// # Errors
/// As a store in it would give.
pub async fn create_bucket(name: &str, options: &Options) -> Result<Created, StoreError> {
    S3Store::open(name, options).await?.bucket.make().await
}

/// A prefix in a bucket that holds a store. Made by [`Store::open`](crate::Store::open).
#[derive(Clone)]
pub struct S3Store {
    bucket: Arc<Bucket>,
    /// Empty, or with a `/` at its end.
    prefix: Arc<str>,
}

impl S3Store {
    pub(crate) async fn open(location: &str, options: &Options) -> Result<S3Store, StoreError> {
        let (name, prefix) = location.split_once('/').unwrap_or((location, ""));
        let prefix = prefix.trim_matches('/');
        let flaw = if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
            Some("its bucket is not the name of a bucket")
        } else if prefix.split('/').any(|s| matches!(s, "." | "..")) || prefix.contains("//") {
            Some("its prefix has a segment that is empty, . or ..")
        } else {
            None
        };
        if let Some(flaw) = flaw {
            let place = format!("s3://{location}");
            return Err(StoreError::Config { place, cause: flaw.into(), remedy: "give s3://bucket/prefix" });
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let client = connect(options).await?;
        Ok(S3Store { bucket: Arc::new(Bucket::new(client, name, options)), prefix: prefix.into() })
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(crate) async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        self.bucket.get_range(&self.name(key), range).await
    }

    pub(crate) async fn reader(&self, key: &Key) -> Result<Option<Reader>, StoreError> {
        self.bucket.read(self.name(key), None).await
    }

    pub(crate) async fn head(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        Ok(self.bucket.head(&self.name(key)).await?.map(|found| found.meta))
    }

    pub(crate) async fn create(&self, key: &Key, content: Bytes) -> Result<Created, StoreError> {
        self.bucket.create(&self.name(key), content).await
    }

    pub(crate) fn create_stream(&self, key: &Key) -> S3Writer {
        S3Writer::new(self.bucket.clone(), self.name(key))
    }

    pub(crate) async fn overwrite(&self, key: &Key, content: Bytes) -> Result<(), StoreError> {
        self.bucket.overwrite(&self.name(key), content).await
    }

    pub(crate) async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.bucket.delete(&self.name(key)).await
    }

    #[cfg(any(test, feature = "conformance"))]
    pub(crate) async fn remembers_its_maker(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.bucket.head(&self.name(key)).await?.is_some_and(|found| found.has_maker()))
    }

    pub(crate) fn list(&self, prefix: &str, start_after: Option<&str>) -> Listing {
        let span = Span {
            prefix: format!("{}{prefix}", self.prefix),
            after: start_after.map(|after| format!("{}{after}", self.prefix)),
            until: None,
        };
        let cut = self.prefix.len();
        Listing::new(self.bucket.clone().pages(span).try_filter_map(move |page| async move {
            let keys: Vec<Key> = page.iter().filter_map(|found| Key::new(found.key.get(cut..)?).ok()).collect();
            Ok((!keys.is_empty()).then_some(keys))
        }))
    }

    pub(crate) async fn folders(&self, parent: &Key) -> Result<Vec<String>, StoreError> {
        let prefix = format!("{}/", self.name(parent));
        let found = self.bucket.folders(&prefix, FOLDERS).await?;
        let names = found.prefixes.iter().filter_map(|name| name.strip_prefix(&prefix)?.strip_suffix('/'));
        Ok(names.filter(|name| Key::new(*name).is_ok()).map(str::to_owned).collect())
    }
}

impl fmt::Display for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket.name())?;
        match self.prefix.strip_suffix('/') {
            Some(prefix) => write!(f, "/{prefix}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Store({self})")
    }
}
