//! Large objects uploaded in parts, in bounded memory; create-if-absent at the end.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use retry::{Failure, Policy, retry};

use super::bucket::Bucket;
use super::create::MAKER;
use super::fault::{Fault, Kind};
use crate::error::StoreError;
use crate::store::Created;
use crate::unique::unique;

/// Bytes a part; S3 wants at least 5 MiB for all but the last one.
const PART: usize = 8 << 20;
/// S3's limit: 80 GB in all.
const MOST_PARTS: i32 = 10_000;
/// Clean-up is best effort.
const ABORT: Policy = Policy::attempts(3);

pub(crate) struct S3Writer {
    /// Absent once it is finished or aborted.
    upload: Option<Upload>,
    buffer: BytesMut,
    force_parts: bool,
}

struct Upload {
    bucket: Arc<Bucket>,
    name: String,
    maker: String,
    /// Absent until there is a first part: small objects need none.
    id: Option<String>,
    parts: Vec<CompletedPart>,
}

impl S3Writer {
    pub(super) fn new(bucket: Arc<Bucket>, name: String) -> S3Writer {
        let upload = Upload { bucket, name, maker: unique(), id: None, parts: Vec::new() };
        S3Writer { upload: Some(upload), buffer: BytesMut::new(), force_parts: false }
    }

    /// Uploads in parts, however small the object is: to find out whether the server does it right.
    pub(crate) fn force_parts(&mut self) {
        self.force_parts = true;
    }

    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PART - self.buffer.len()));
            self.buffer.extend_from_slice(&piece);
            if self.buffer.len() == PART {
                let part = self.buffer.split().freeze();
                self.upload()?.add(part).await?;
            }
        }
        Ok(())
    }

    fn upload(&mut self) -> Result<&mut Upload, StoreError> {
        // Nobody writes after `finish` or `abort`: they take the writer.
        self.upload
            .as_mut()
            .ok_or_else(|| StoreError::Unavailable { place: "S3".into(), cause: "the upload has ended".into() })
    }

    pub(crate) async fn finish(mut self) -> Result<Created, StoreError> {
        let last = self.buffer.split().freeze();
        let force_parts = self.force_parts;
        let upload = self.upload()?;
        if upload.id.is_none() && !force_parts {
            let created = upload.bucket.create(&upload.name, last).await;
            self.upload = None;
            return created;
        }
        if !last.is_empty() || upload.parts.is_empty() {
            upload.add(last).await?;
        }
        let created = upload.complete().await?;
        if let (Created::Before, Some(upload)) = (created, self.upload.take()) {
            upload.abort().await;
        }
        Ok(created)
    }

    pub(crate) async fn abort(mut self) {
        if let Some(upload) = self.upload.take() {
            upload.abort().await;
        }
    }
}

impl Drop for S3Writer {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take()
            && upload.id.is_some()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(upload.abort());
        }
    }
}

impl Upload {
    async fn begin(&mut self) -> Result<String, StoreError> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let bucket = &self.bucket;
        let request = || {
            bucket.client.create_multipart_upload().bucket(bucket.name()).key(&self.name).metadata(MAKER, &self.maker)
        };
        let id = bucket
            .retried(&self.name, |_| async {
                let answer = request().send().await.map_err(Fault::of)?;
                answer.upload_id.ok_or_else(|| Fault::transient("it began an upload without an id"))
            })
            .await?;
        self.id = Some(id.clone());
        Ok(id)
    }

    async fn add(&mut self, content: Bytes) -> Result<(), StoreError> {
        let number = self.parts.len() as i32 + 1;
        if number > MOST_PARTS {
            let limit = PART as u64 * MOST_PARTS as u64;
            return Err(StoreError::TooLarge { place: self.bucket.place(&self.name), limit });
        }
        let id = self.begin().await?;
        let bucket = &self.bucket;
        let request =
            || bucket.client.upload_part().bucket(bucket.name()).key(&self.name).upload_id(&id).part_number(number);
        let part = bucket
            .retried(&self.name, |_| async {
                let answer = request().body(ByteStream::from(content.clone())).send().await.map_err(Fault::of)?;
                let etag = answer.e_tag.ok_or_else(|| Fault::transient("it took a part without giving an ETag"))?;
                // Where checksums are in use, the end of the upload must repeat them.
                Ok(CompletedPart::builder()
                    .part_number(number)
                    .e_tag(etag)
                    .set_checksum_crc32(answer.checksum_crc32)
                    .set_checksum_crc32_c(answer.checksum_crc32_c)
                    .set_checksum_crc64_nvme(answer.checksum_crc64_nvme)
                    .set_checksum_sha1(answer.checksum_sha1)
                    .set_checksum_sha256(answer.checksum_sha256)
                    .build())
            })
            .await?;
        self.parts.push(part);
        Ok(())
    }

    async fn complete(&self) -> Result<Created, StoreError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts.clone())).build();
        self.bucket.retried(&self.name, |attempt| self.try_complete(parts.clone(), attempt)).await
    }

    async fn try_complete(&self, parts: CompletedMultipartUpload, attempt: u32) -> Result<Created, Fault> {
        // An attempt may have done it without saying so.
        if attempt > 0
            && let Some(created) = self.bucket.made_by(&self.name, &self.maker).await?
        {
            return Ok(created);
        }
        let request = self.bucket.client.complete_multipart_upload().bucket(self.bucket.name()).key(&self.name);
        let request = request.set_upload_id(self.id.clone()).multipart_upload(parts).if_none_match("*");
        match request.send().await.map_err(Fault::of) {
            Ok(_) => Ok(Created::Now),
            Err(Fault { kind: Kind::Condition, .. }) if attempt == 0 => Ok(Created::Before),
            // An earlier attempt of ours, or a conflict with another's, may have ended the upload.
            Err(Fault { kind: Kind::Condition | Kind::NoUpload, cause }) => {
                match self.bucket.made_by(&self.name, &self.maker).await? {
                    Some(created) => Ok(created),
                    None => Err(Fault::transient(cause)),
                }
            }
            Err(fault) => Err(fault),
        }
    }

    async fn abort(self) {
        let Some(id) = &self.id else { return };
        let bucket = &self.bucket;
        let request = || bucket.client.abort_multipart_upload().bucket(bucket.name()).key(&self.name).upload_id(id);
        let place = bucket.place(&self.name);
        let aborted: Result<(), Failure<StoreError>> = retry(ABORT, |_| async {
            match request().send().await.map_err(Fault::of) {
                Ok(_) | Err(Fault { kind: Kind::NoUpload | Kind::Absent, .. }) => Ok(()),
                Err(fault) => Err(fault.into_failure(&place)),
            }
        })
        .await;
        if let Err(error) = aborted {
            tracing::warn!(%error, upload = id, "an unfinished upload was left behind");
        }
    }
}
