//! Buckets, objects and unfinished uploads in memory; each change is atomic.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use s3s::{S3Result, s3_error};

use super::listing::{self, Page, Query};

/// One object.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) content: Bytes,
    pub(super) etag: String,
    pub(super) metadata: Option<HashMap<String, String>>,
    pub(super) modified: SystemTime,
}

/// All that the server holds; clones share it.
#[derive(Clone, Default)]
pub(super) struct Objects(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    uploads: HashMap<String, Upload>,
    begun: u64,
}

struct Upload {
    bucket: String,
    key: String,
    metadata: Option<HashMap<String, String>>,
    parts: BTreeMap<i32, Object>,
}

/// S3 refuses smaller parts, but for the last one.
const LEAST_PART: usize = 5 << 20;

impl Object {
    pub(super) fn new(content: Bytes, metadata: Option<HashMap<String, String>>) -> Object {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, &content).hash(&mut hasher);
            hasher.finish()
        };
        let etag = format!("{:016x}{:016x}", half(0), half(1));
        Object { content, etag, metadata, modified: SystemTime::now() }
    }
}

impl Objects {
    pub(super) fn create_bucket(&self, bucket: &str) {
        self.state().buckets.entry(bucket.into()).or_default();
    }

    pub(super) fn buckets(&self) -> Vec<String> {
        self.state().buckets.keys().cloned().collect()
    }

    pub(super) fn has_bucket(&self, bucket: &str) -> S3Result<()> {
        self.state().bucket(bucket).map(drop)
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> S3Result<Object> {
        self.state().bucket(bucket)?.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    pub(super) fn all(&self, bucket: &str) -> BTreeMap<String, Bytes> {
        let mut state = self.state();
        let objects = state.bucket(bucket).map(|objects| objects.clone()).unwrap_or_default();
        objects.into_iter().map(|(key, object)| (key, object.content)).collect()
    }

    pub(super) fn put(&self, bucket: &str, key: &str, object: Object, only_if_absent: bool) -> S3Result<String> {
        self.state().put(bucket, key, object, only_if_absent)
    }

    pub(super) fn delete(&self, bucket: &str, key: &str) -> S3Result<()> {
        self.state().bucket(bucket)?.remove(key);
        Ok(())
    }

    pub(super) fn set_modified(&self, bucket: &str, key: &str, time: SystemTime) {
        if let Some(object) = self.state().buckets.get_mut(bucket).and_then(|objects| objects.get_mut(key)) {
            object.modified = time;
        }
    }

    pub(super) fn list(&self, bucket: &str, query: &Query) -> S3Result<Page> {
        Ok(listing::page(self.state().bucket(bucket)?, query))
    }

    pub(super) fn begin(&self, bucket: &str, key: &str, metadata: Option<HashMap<String, String>>) -> S3Result<String> {
        let mut state = self.state();
        state.bucket(bucket)?;
        state.begun += 1;
        let id = format!("upload-{}", state.begun);
        let upload = Upload { bucket: bucket.into(), key: key.into(), metadata, parts: BTreeMap::new() };
        state.uploads.insert(id.clone(), upload);
        Ok(id)
    }

    pub(super) fn add_part(&self, id: &str, number: i32, content: Bytes) -> S3Result<String> {
        let part = Object::new(content, None);
        let etag = part.etag.clone();
        self.state().uploads.get_mut(id).ok_or_else(|| s3_error!(NoSuchUpload))?.parts.insert(number, part);
        Ok(etag)
    }

    /// Makes one object of the parts named by number and ETag.
    pub(super) fn complete(&self, id: &str, named: &[(i32, String)], only_if_absent: bool) -> S3Result<String> {
        let mut state = self.state();
        let upload = state.uploads.get(id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let mut content = BytesMut::new();
        for (n, (number, etag)) in named.iter().enumerate() {
            let part =
                upload.parts.get(number).filter(|part| &part.etag == etag).ok_or_else(|| s3_error!(InvalidPart))?;
            if n + 1 < named.len() && part.content.len() < LEAST_PART {
                return Err(s3_error!(EntityTooSmall));
            }
            content.extend_from_slice(&part.content);
        }
        let mut object = Object::new(content.freeze(), upload.metadata.clone());
        object.etag = format!("{}-{}", object.etag, named.len());
        let (bucket, key) = (upload.bucket.clone(), upload.key.clone());
        let etag = state.put(&bucket, &key, object, only_if_absent)?;
        state.uploads.remove(id);
        Ok(etag)
    }

    pub(super) fn abort(&self, id: &str) -> S3Result<()> {
        self.state().uploads.remove(id).map(drop).ok_or_else(|| s3_error!(NoSuchUpload))
    }

    pub(super) fn open_uploads(&self) -> usize {
        self.state().uploads.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bucket(&mut self, bucket: &str) -> S3Result<&mut BTreeMap<String, Object>> {
        self.buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))
    }

    fn put(&mut self, bucket: &str, key: &str, object: Object, only_if_absent: bool) -> S3Result<String> {
        let objects = self.bucket(bucket)?;
        if only_if_absent && objects.contains_key(key) {
            return Err(s3_error!(PreconditionFailed, "an object of this name exists"));
        }
        let etag = object.etag.clone();
        objects.insert(key.into(), object);
        Ok(etag)
    }
}
