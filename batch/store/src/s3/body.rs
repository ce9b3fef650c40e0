//! Objects as streams that go on where a connection was cut.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::stream;
use retry::Schedule;

use super::bucket::{Bucket, plain, quoted};
use super::fault::{Fault, Kind, chain};
use super::shortcut::Answer;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::store::Meta;
use crate::traffic::traffic;

impl Bucket {
    /// Opens an object, of the version `if_match` if that is given.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if there is another version.
    pub(crate) async fn read(
        self: &Arc<Self>,
        name: String,
        if_match: Option<&str>,
    ) -> Result<Option<Reader>, StoreError> {
        let bucket = self;
        let condition = if_match.map(quoted);
        let opened = bucket.retried(&name, |attempt| first(bucket, &name, condition.as_deref(), attempt)).await?;
        let (meta, body) = match opened {
            Opened::Body(meta, body) => (meta, body),
            Opened::Absent => return Ok(None),
            Opened::Changed => return Err(changed(bucket.place(&name), "there is another version of it")),
        };
        let place = bucket.place(&name);
        let body = Body {
            bucket: bucket.clone(),
            name,
            meta: meta.clone(),
            at: 0,
            body: Some(body),
            schedule: bucket.policy().schedule(),
        };
        let chunks =
            stream::try_unfold(body, |mut body| async move { Ok(body.chunk().await?.map(|chunk| (chunk, body))) });
        Ok(Some(Reader::new(meta, place, chunks)))
    }
}

enum Opened {
    Body(Meta, ByteStream),
    Absent,
    Changed,
}

/// Opens an object at its start: by the shortcut at first, if there is one.
async fn first(bucket: &Bucket, name: &str, if_match: Option<&str>, attempt: u32) -> Result<Opened, Fault> {
    let shortcut = &bucket.shortcut;
    let Some(way) = shortcut.way() else { return open(bucket, name, if_match, 0).await };
    let mut was_refused = false;
    if attempt == 0 {
        match way.get(name, if_match).await.map_err(|error| Fault::transient(chain(&*error)))? {
            Answer::Object { size, etag, body } => {
                shortcut.succeeded();
                return Ok(Opened::Body(Meta { size, etag: plain(etag.as_deref()) }, body));
            }
            Answer::Unavailable(status) => return Err(Fault::transient(format!("HTTP {status}"))),
            Answer::Absent => {}
            Answer::Refused => was_refused = true,
        }
        traffic().attempt();
    }
    let opened = open(bucket, name, if_match, 0).await;
    match &opened {
        Ok(Opened::Body(..)) if was_refused => shortcut.was_refused(),
        Ok(Opened::Body(..)) if attempt > 0 => shortcut.had_failed(),
        _ => {}
    }
    opened
}

async fn open(bucket: &Bucket, name: &str, if_match: Option<&str>, from: u64) -> Result<Opened, Fault> {
    let request = bucket.client.get_object().bucket(bucket.name()).key(name);
    let request = request.set_if_match(if_match.map(str::to_owned));
    let request = request.set_range((from > 0).then(|| format!("bytes={from}-")));
    let answer = match bucket.shortcut.scout(name) {
        None => request.send().await,
        Some(scout) => {
            let answer = request.customize().interceptor(scout.clone()).send().await;
            if answer.is_ok() {
                bucket.shortcut.open(&scout);
            }
            answer
        }
    };
    match answer.map_err(Fault::of) {
        Ok(answer) => {
            let Some(length) = answer.content_length().and_then(|length| u64::try_from(length).ok()) else {
                return Err(Fault { kind: Kind::Config, cause: "it does not say how long the object is".into() });
            };
            let meta = Meta { size: from + length, etag: plain(answer.e_tag()) };
            Ok(Opened::Body(meta, answer.body))
        }
        Err(Fault { kind: Kind::Absent, .. }) => Ok(Opened::Absent),
        Err(Fault { kind: Kind::Condition | Kind::Range, .. }) => Ok(Opened::Changed),
        Err(fault) => Err(fault),
    }
}

struct Body {
    bucket: Arc<Bucket>,
    name: String,
    meta: Meta,
    at: u64,
    /// Absent after a cut.
    body: Option<ByteStream>,
    /// Starts anew with each byte that arrives: the limit is on time without progress.
    schedule: Schedule,
}

impl Body {
    async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        while self.at < self.meta.size {
            match self.try_chunk().await? {
                Ok(chunk) => {
                    self.at += chunk.len() as u64;
                    self.schedule.reset();
                    return Ok(Some(chunk));
                }
                Err(fault) => self.pause(fault).await?,
            }
        }
        Ok(None)
    }

    /// One chunk, or a fault that may pass.
    async fn try_chunk(&mut self) -> Result<Result<Bytes, Fault>, StoreError> {
        if self.body.is_none() {
            traffic().attempt();
        }
        let body = match &mut self.body {
            Some(body) => body,
            empty => match open(&self.bucket, &self.name, Some(&quoted(&self.meta.etag)), self.at).await {
                Ok(Opened::Body(meta, body)) if meta.size == self.meta.size => empty.insert(body),
                Ok(Opened::Absent) => return Err(changed(self.bucket.place(&self.name), "it was deleted")),
                Ok(_) => return Err(changed(self.bucket.place(&self.name), "there is another version of it")),
                Err(fault) => return Ok(Err(fault)),
            },
        };
        Ok(match next(body, self.bucket.options.idle).await {
            Ok(Some(chunk)) if self.at + chunk.len() as u64 <= self.meta.size => Ok(chunk),
            Ok(Some(_)) => Err(Fault::transient("it sent more than it had announced")),
            Ok(None) => Err(Fault::transient(format!("it was cut after {} of {} bytes", self.at, self.meta.size))),
            Err(fault) => Err(fault),
        })
    }

    async fn pause(&mut self, fault: Fault) -> Result<(), StoreError> {
        self.body = None;
        let failure = fault.into_failure(&self.bucket.place(&self.name));
        if !failure.is_transient() {
            return Err(failure.into_inner());
        }
        let error = failure.into_inner();
        let Some(delay) = self.schedule.next() else {
            traffic().gave_up();
            return Err(error);
        };
        tracing::debug!(%error, at = self.at, delay_ms = delay.as_millis() as u64, "going on where it was cut");
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

/// The next bytes of a body, unless it says nothing for too long.
pub(super) async fn next(body: &mut ByteStream, idle: Duration) -> Result<Option<Bytes>, Fault> {
    loop {
        return match tokio::time::timeout(idle, body.next()).await {
            Ok(Some(Ok(chunk))) if chunk.is_empty() => continue,
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(Some(Err(error))) => Err(Fault::transient(chain(&error))),
            Ok(None) => Ok(None),
            Err(_) => Err(Fault::transient(format!("it sent nothing for {} s", idle.as_secs_f32()))),
        };
    }
}

fn changed(place: String, cause: &str) -> StoreError {
    StoreError::Changed { place, cause: cause.into() }
}
