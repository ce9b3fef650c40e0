//! Large objects written piece by piece in bounded memory; they appear whole or not at all.

use bytes::Bytes;

use crate::error::StoreError;
use crate::local::LocalWriter;
use crate::s3::S3Writer;
use crate::store::Created;

/// An object that is being written. Nothing is visible before [`finish`](Writer::finish); dropped without it,
/// everything is discarded (on S3 in the background: [`abort`](Writer::abort) waits for it).
pub struct Writer(pub(crate) Inner);

pub(crate) enum Inner {
    Local(LocalWriter),
    S3(S3Writer),
}

impl Writer {
    /// Adds bytes at the end. At most 8 MiB wait in memory; pieces of any size are fine.
    ///
    /// # Errors
    /// As the store; the object cannot be finished any more then.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        match &mut self.0 {
            Inner::Local(writer) => writer.write(bytes).await,
            Inner::S3(writer) => writer.write(bytes).await,
        }
    }

    /// Makes the object appear if its name is still free, as [`Store::create`](crate::Store::create) does.
    ///
    /// # Errors
    /// As the store; nothing of this writer is left then, unless the store could not be told.
    pub async fn finish(self) -> Result<Created, StoreError> {
        match self.0 {
            Inner::Local(writer) => writer.finish().await,
            Inner::S3(writer) => writer.finish().await,
        }
    }

    /// Writes in the way of large objects, however small this one is.
    pub(crate) fn force_parts(&mut self) {
        if let Inner::S3(writer) = &mut self.0 {
            writer.force_parts();
        }
    }

    /// Discards what was written. Best effort: what could not be removed now is logged.
    pub async fn abort(self) {
        match self.0 {
            Inner::Local(writer) => drop(writer),
            Inner::S3(writer) => writer.abort().await,
        }
    }
}
