//! Messages that no batch owns, set aside in the store with their reason.

use models::Digest;
use serde::Serialize;
use store::{Key, Store};

use crate::error::BatchError;
use crate::ids::QueueName;

/// Most of a message that is kept: ours have a few hundred bytes.
const KEPT_BYTES: usize = 16 << 10;

#[derive(Serialize)]
struct SetAside<'a> {
    reason: &'a str,
    bytes: usize,
    message: std::borrow::Cow<'a, str>,
}

/// Stores `message` under its digest, for a person to look at. Equal messages are kept once.
pub async fn set_aside(store: &Store, queue: &QueueName, message: &[u8], reason: &str) -> Result<(), BatchError> {
    let failed = BatchError::local("encoding a message that is set aside");
    let kept = &message[..message.len().min(KEPT_BYTES)];
    let note = SetAside { reason, bytes: message.len(), message: String::from_utf8_lossy(kept) };
    let text = serde_json::to_vec(&note).map_err(|error| failed(&error))?;
    let key = Key::new(format!("queues/{queue}/aside/{}", Digest::of(message)))?;
    store.create(&key, text.into()).await?;
    tracing::warn!(%queue, reason, bytes = message.len(), "a message was set aside");
    Ok(())
}
