//! A single object of S3, as somebody typed it.

use store::source::{Object, Sources};

use super::unusable;
use crate::error::BatchError;
use crate::image::ImageRef;

/// The object with ETag and size, as a listing of many has them. One that is not there becomes an error row, as a file does;
/// a folder without its slash is a slip, and refused.
pub(super) async fn listed(uri: String, sources: &Sources) -> Result<ImageRef, BatchError> {
    let Some((bucket, key)) = uri.strip_prefix("s3://").and_then(|location| location.split_once('/')) else {
        return Ok(ImageRef::new(uri));
    };
    // Whoever may read an object need not be allowed to list its bucket.
    let Ok(found) = first(sources, bucket, key).await else { return Ok(ImageRef::new(uri)) };
    if let Some(object) = found.filter(|object| object.key == key) {
        return Ok(ImageRef { etag: Some(object.etag), size: Some(object.size), ..ImageRef::new(uri) });
    }
    if let Ok(Some(_)) = first(sources, bucket, &format!("{key}/")).await {
        return Err(unusable(&uri, &format!("it is a folder: write {uri}/ for all that lies below it")));
    }
    tracing::warn!(uri, "there is no such object; if there is none later either, it becomes an error row");
    Ok(ImageRef::new(uri))
}

/// The first object by name whose key begins with `prefix`.
async fn first(sources: &Sources, bucket: &str, prefix: &str) -> Result<Option<Object>, store::StoreError> {
    let page = sources.list_objects(bucket, prefix).await?.page().await?;
    Ok(page.and_then(|page| page.into_iter().next()))
}
