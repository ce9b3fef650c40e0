//! The S3 operations that the product uses, on objects in memory.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use s3s::dto::*;
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use super::faults::Faults;
use super::listing::Query;
use super::objects::{Object as Stored, Objects};

pub(super) struct Backend {
    pub(super) objects: Objects,
    pub(super) faults: Faults,
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.objects.create_bucket(&req.input.bucket);
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.objects.has_bucket(&req.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.objects.buckets().into_iter().map(|name| Bucket { name: Some(name), ..Bucket::default() });
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets.collect()), ..ListBucketsOutput::default() }))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput { bucket, key, body, metadata, if_none_match, .. } = req.input;
        let plan = self.faults.plan();
        let only_if_absent = condition(if_none_match)? && !plan.ignore_put_conditions;
        let content = collect(body).await?;
        let metadata = metadata.filter(|_| !plan.forget_metadata);
        let etag = self.objects.put(&bucket, &key, Stored::new(content, metadata), only_if_absent)?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(etag)), ..PutObjectOutput::default() }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput { bucket, key, range, if_match, .. } = req.input;
        let found = self.objects.get(&bucket, &key)?;
        let size = found.content.len() as u64;
        if if_match.and_then(ETagCondition::into_etag).is_some_and(|wanted| wanted.value() != found.etag) {
            return Err(s3_error!(PreconditionFailed));
        }
        let span = match &range {
            Some(range) => range.check(size).map_err(|_| s3_error!(InvalidRange))?,
            None => 0..size,
        };
        let content = found.content.slice(span.start as usize..span.end as usize);
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(content.len() as i64),
            content_range: range.map(|_| format!("bytes {}-{}/{size}", span.start, span.end - 1)),
            body: Some(StreamingBlob::from(Body::from(content))),
            e_tag: Some(ETag::Strong(found.etag)),
            last_modified: Some(found.modified.into()),
            metadata: found.metadata,
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let found = self.objects.get(&req.input.bucket, &req.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(found.content.len() as i64),
            e_tag: Some(ETag::Strong(found.etag)),
            last_modified: Some(found.modified.into()),
            metadata: found.metadata,
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.objects.delete(&req.input.bucket, &req.input.key)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let mut deleted = Vec::new();
        for object in req.input.delete.objects {
            self.objects.delete(&req.input.bucket, &object.key)?;
            deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
        }
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), ..DeleteObjectsOutput::default() }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let ListObjectsV2Input { bucket, prefix, delimiter, start_after, continuation_token, max_keys, .. } = req.input;
        let query = Query {
            prefix: prefix.clone().unwrap_or_default(),
            delimiter: delimiter.clone(),
            after: continuation_token.or(start_after).unwrap_or_default(),
            most: max_keys.unwrap_or(1000).clamp(0, 1000) as usize,
        };
        let page = self.objects.list(&bucket, &query)?;
        let contents: Vec<Object> = page.objects.into_iter().map(|(key, object)| describe(key, object)).collect();
        let prefixes = page.prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(prefix) });
        let common_prefixes: Vec<CommonPrefix> = prefixes.collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(bucket),
            prefix,
            delimiter,
            key_count: Some((contents.len() + common_prefixes.len()) as i32),
            max_keys: Some(query.most as i32),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let CreateMultipartUploadInput { bucket, key, metadata, .. } = req.input;
        let metadata = metadata.filter(|_| !self.faults.plan().forget_metadata);
        let upload_id = Some(self.objects.begin(&bucket, &key, metadata)?);
        let (bucket, key) = (Some(bucket), Some(key));
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket,
            key,
            upload_id,
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let content = collect(req.input.body).await?;
        let etag = self.objects.add_part(&req.input.upload_id, req.input.part_number, content)?;
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(ETag::Strong(etag)), ..UploadPartOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput { bucket, key, upload_id, multipart_upload, if_none_match, .. } = req.input;
        let only_if_absent = condition(if_none_match)? && !self.faults.plan().ignore_upload_conditions;
        let named = multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let named: Option<Vec<(i32, String)>> =
            named.into_iter().map(|part| Some((part.part_number?, part.e_tag?.into_value()))).collect();
        let named = named.filter(|named| !named.is_empty()).ok_or_else(|| s3_error!(MalformedXML))?;
        let etag = self.objects.complete(&upload_id, &named, only_if_absent)?;
        let e_tag = Some(ETag::Strong(etag));
        let (bucket, key) = (Some(bucket), Some(key));
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket,
            key,
            e_tag,
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.objects.abort(&req.input.upload_id)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// Whether a write is only for an absent object. `*` is the only condition of this kind that S3 takes.
fn condition(if_none_match: Option<ETagCondition>) -> S3Result<bool> {
    match if_none_match {
        None => Ok(false),
        Some(condition) if condition.is_any() => Ok(true),
        Some(_) => Err(s3_error!(NotImplemented)),
    }
}

/// A whole body; s3s verifies its signature and checksum on the way.
async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut content = BytesMut::new();
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            content.extend_from_slice(&chunk.map_err(|_| s3_error!(IncompleteBody))?);
        }
    }
    Ok(content.freeze())
}

fn describe(key: String, object: Stored) -> Object {
    Object {
        key: Some(key),
        e_tag: Some(ETag::Strong(object.etag)),
        size: Some(object.content.len() as i64),
        last_modified: Some(object.modified.into()),
        ..Object::default()
    }
}
