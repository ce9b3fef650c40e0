//! One bucket: the simple calls, each retried within the patience of the options.

use std::collections::HashMap;
use std::ops::Range;

use aws_sdk_s3::operation::create_bucket::CreateBucketError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CreateBucketConfiguration;
use bytes::Bytes;
use retry::{Policy, retry};

use super::client::Client;
use super::fault::{Fault, Kind, given_up};
use super::shortcut::Shortcut;
use crate::error::StoreError;
use crate::options::Options;
use crate::store::{Created, Meta};
use crate::traffic::traffic;

pub(crate) struct Bucket {
    pub(super) client: Client,
    name: String,
    pub(super) options: Options,
    pub(super) shortcut: Shortcut,
}

/// What a HEAD tells.
pub(crate) struct Found {
    pub(crate) meta: Meta,
    pub(super) metadata: HashMap<String, String>,
}

impl Bucket {
    pub(crate) fn new(client: Client, name: impl Into<String>, options: &Options) -> Bucket {
        Bucket { client, name: name.into(), options: options.clone(), shortcut: Shortcut::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn place(&self, name: &str) -> String {
        format!("s3://{}/{name}", self.name)
    }

    pub(super) fn policy(&self) -> Policy {
        Policy::for_at_most(self.options.patience)
    }

    /// Retries one call; `attempt` says what each fault means for it, by default an error.
    pub(super) async fn retried<T, O>(&self, name: &str, mut attempt: impl FnMut(u32) -> O) -> Result<T, StoreError>
    where
        O: Future<Output = Result<T, Fault>>,
    {
        let place = self.place(name);
        let outcome = retry(self.policy(), |n| {
            traffic().attempt();
            let outcome = attempt(n);
            let place = &place;
            async move { outcome.await.map_err(|fault| fault.into_failure(place)) }
        });
        outcome.await.map_err(given_up)
    }

    /// Makes the bucket itself, if it is not there.
    pub(crate) async fn make(&self) -> Result<Created, StoreError> {
        self.retried("", |_| async {
            if self.client.head_bucket().bucket(&self.name).send().await.is_ok() {
                return Ok(Created::Before);
            }
            match self
                .client
                .create_bucket()
                .bucket(&self.name)
                .set_create_bucket_configuration(self.region())
                .send()
                .await
            {
                Ok(_) => Ok(Created::Now),
                Err(error)
                    if error.as_service_error().is_some_and(CreateBucketError::is_bucket_already_owned_by_you) =>
                {
                    Ok(Created::Before)
                }
                Err(error) => Err(Fault::of(error)),
            }
        })
        .await
    }

    /// Every region but the first wants to be named.
    fn region(&self) -> Option<CreateBucketConfiguration> {
        let region = self.client.config().region().filter(|region| region.as_ref() != "us-east-1")?;
        Some(CreateBucketConfiguration::builder().location_constraint(region.as_ref().into()).build())
    }

    pub(crate) async fn head(&self, name: &str) -> Result<Option<Found>, StoreError> {
        self.retried(name, |_| self.try_head(name)).await
    }

    pub(super) async fn try_head(&self, name: &str) -> Result<Option<Found>, Fault> {
        match self.client.head_object().bucket(&self.name).key(name).send().await.map_err(Fault::of) {
            Ok(answer) => Ok(Some(Found {
                meta: Meta { size: size(answer.content_length()), etag: plain(answer.e_tag()) },
                metadata: answer.metadata.unwrap_or_default(),
            })),
            Err(Fault { kind: Kind::Absent, .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    pub(crate) async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        if range.is_empty() {
            return Ok(self.head(name).await?.map(|_| Bytes::new()));
        }
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        self.retried(name, |_| self.try_get_range(name, &header)).await
    }

    async fn try_get_range(&self, name: &str, range: &str) -> Result<Option<Bytes>, Fault> {
        let request = self.client.get_object().bucket(&self.name).key(name).range(range);
        let mut body = match request.send().await.map_err(Fault::of) {
            Ok(answer) => answer.body,
            Err(Fault { kind: Kind::Absent, .. }) => return Ok(None),
            Err(Fault { kind: Kind::Range, .. }) => return Ok(Some(Bytes::new())),
            Err(fault) => return Err(fault),
        };
        let mut content = bytes::BytesMut::new();
        while let Some(chunk) = super::body::next(&mut body, self.options.idle).await? {
            content.extend_from_slice(&chunk);
        }
        Ok(Some(content.freeze()))
    }

    pub(crate) async fn overwrite(&self, name: &str, content: Bytes) -> Result<(), StoreError> {
        self.retried(name, |_| async {
            let body = ByteStream::from(content.clone());
            let sent = self.client.put_object().bucket(&self.name).key(name).body(body).send().await;
            sent.map(drop).map_err(Fault::of)
        })
        .await
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.retried(name, |_| async {
            match self.client.delete_object().bucket(&self.name).key(name).send().await.map_err(Fault::of) {
                Ok(_) | Err(Fault { kind: Kind::Absent, .. }) => Ok(()),
                Err(fault) => Err(fault),
            }
        })
        .await
    }
}

pub(super) fn size(content_length: Option<i64>) -> u64 {
    content_length.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// An ETag without its quotes.
pub(super) fn plain(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

/// An ETag as a header wants it.
pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
