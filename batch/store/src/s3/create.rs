//! Create-if-absent on S3, also when the answer to an attempt is lost.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::bucket::Bucket;
use super::fault::{Fault, Kind};
use crate::error::StoreError;
use crate::store::Created;
use crate::unique::unique;

/// Metadata of each object: who made it. After an attempt of unknown outcome it tells our own success from another's.
pub(super) const MAKER: &str = "pixelmill-maker";

impl Bucket {
    pub(crate) async fn create(&self, name: &str, content: Bytes) -> Result<Created, StoreError> {
        let maker = unique();
        self.retried(name, |attempt| self.try_create(name, &content, &maker, attempt)).await
    }

    async fn try_create(&self, name: &str, content: &Bytes, maker: &str, attempt: u32) -> Result<Created, Fault> {
        let request = self.client.put_object().bucket(self.name()).key(name).body(ByteStream::from(content.clone()));
        match request.if_none_match("*").metadata(MAKER, maker).send().await.map_err(Fault::of) {
            Ok(_) => Ok(Created::Now),
            // Only an attempt before this one could have been ours.
            Err(Fault { kind: Kind::Condition, .. }) if attempt == 0 => Ok(Created::Before),
            Err(Fault { kind: Kind::Condition, .. }) => match self.made_by(name, maker).await? {
                Some(created) => Ok(created),
                None => Err(Fault::transient("it was deleted while it was created")),
            },
            Err(fault) => Err(fault),
        }
    }

    /// Whether the object that is there now is `maker`'s.
    pub(super) async fn made_by(&self, name: &str, maker: &str) -> Result<Option<Created>, Fault> {
        Ok(self.try_head(name).await?.map(|found| match found.metadata.get(MAKER) {
            Some(of) if of == maker => Created::Now,
            _ => Created::Before,
        }))
    }
}

#[cfg(any(test, feature = "conformance"))]
impl super::bucket::Found {
    pub(super) fn has_maker(&self) -> bool {
        self.metadata.contains_key(MAKER)
    }
}
