//! Finds out by trying whether a store creates only what is absent: without that it cannot hold a batch.

use bytes::Bytes;

use crate::error::StoreError;
use crate::key::Key;
use crate::store::{Created, Store};
use crate::unique::unique;

const REMEDY: &str =
    "use a store that supports conditional writes (AWS S3, MinIO, versitygw, Ceph, or a local directory)";

/// Creates one object of a random name three times, reads it and deletes it.
pub(crate) async fn probe(store: &Store) -> Result<(), StoreError> {
    let key = Key::new(format!("probe/{}", unique()))?;
    let outcome = try_key(store, &key).await;
    let deleted = store.delete(&key).await;
    outcome?;
    deleted
}

async fn try_key(store: &Store, key: &Key) -> Result<(), StoreError> {
    let refuse = |cause: &str| StoreError::Config { place: store.to_string(), cause: cause.into(), remedy: REMEDY };
    let first = Bytes::from_static(b"first");

    if store.create(key, first.clone()).await? != Created::Now {
        return Err(refuse("it says that an object of a new random name exists already"));
    }
    if store.create(key, Bytes::from_static(b"second")).await? != Created::Before {
        return Err(refuse("it replaced an object that it should have created only if absent"));
    }
    let mut writer = store.create_stream(key).await?;
    writer.write(Bytes::from_static(b"third")).await?;
    writer.force_parts();
    if writer.finish().await? != Created::Before {
        return Err(refuse("it replaced an object by one uploaded in parts, instead of creating it only if absent"));
    }
    match store.get(key, 64).await? {
        Some(content) if content == first => Ok(()),
        Some(_) => Err(refuse("the content of an object changed although it was to be created only if absent")),
        None => Err(refuse("an object was gone right after it had been created")),
    }
}
