//! The ledger in its store: a segment for each run, and larger ones made of them, so that few have to be read.

use std::ops::RangeInclusive;

use futures::{StreamExt, TryStreamExt, stream};
use store::{Created, Key, Store, StoreError, Writer};

use crate::cover::{children, cover};
use crate::error::LedgerError;
use crate::known::Known;
use crate::segment::{Segment, SegmentWriter};

/// Bytes that go into the store at a time.
const PIECE: usize = 1 << 20;
/// Segments opened at a time.
const AT_ONCE: usize = 16;

/// All versions of objects that the runs of a pipeline took, below a prefix of a store. Run *n* is in the ledger when its
/// segment is there; runs enter it in order.
#[derive(Clone)]
pub struct Ledger {
    store: Store,
    prefix: String,
}

impl Ledger {
    /// The ledger whose keys begin with `prefix` (which ends in a slash, or is empty).
    pub fn new(store: Store, prefix: impl Into<String>) -> Self {
        Self { store, prefix: prefix.into() }
    }

    /// Whether a run is in the ledger.
    ///
    /// # Errors
    /// As the store.
    pub async fn has(&self, run: u64) -> Result<bool, LedgerError> {
        Ok(self.store.head(&self.key(&(run..=run))?).await?.is_some())
    }

    /// Begins the segment of a run. It appears with [`Leaf::finish`].
    ///
    /// # Errors
    /// As the store.
    pub async fn leaf(&self, run: u64) -> Result<Leaf, LedgerError> {
        Leaf::begin(&self.store, &self.key(&(run..=run))?).await
    }

    /// Makes the larger segments that the runs up to `last` allow and that are not there yet. Anyone may do it, at any
    /// time and at the same time: equal runs make equal segments.
    ///
    /// # Errors
    /// [`LedgerError::Missing`] if a run that is needed is not in the ledger; as the store.
    pub async fn merge(&self, last: u64) -> Result<(), LedgerError> {
        for span in cover(last) {
            self.make(span).await?;
        }
        Ok(())
    }

    /// The segments that hold the runs up to `last`, which must be in the ledger.
    ///
    /// # Errors
    /// [`LedgerError::Missing`] if one is not; as the store.
    pub async fn segments(&self, last: u64) -> Result<Vec<Segment>, LedgerError> {
        let opening = stream::iter(cover(last)).map(|span| self.open(span)).buffered(AT_ONCE);
        Ok(opening.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }

    /// The segment of one run.
    ///
    /// # Errors
    /// [`LedgerError::Missing`] if it is not in the ledger; as the store.
    pub async fn segment(&self, run: u64) -> Result<Vec<Segment>, LedgerError> {
        self.open(run..=run).await
    }

    /// A segment, or where it was not made yet, those that it is made of.
    async fn open(&self, span: RangeInclusive<u64>) -> Result<Vec<Segment>, LedgerError> {
        let key = self.key(&span)?;
        if let Some(segment) = Segment::open(&self.store, &key).await? {
            return Ok(vec![segment]);
        }
        let parts = children(&span);
        if parts.is_empty() {
            return Err(LedgerError::Missing { run: *span.start() });
        }
        let mut segments = Vec::new();
        for part in parts {
            segments.extend(Box::pin(self.open(part)).await?);
        }
        Ok(segments)
    }

    /// Makes a segment of those that it is made of, unless it is there.
    async fn make(&self, span: RangeInclusive<u64>) -> Result<(), LedgerError> {
        let key = self.key(&span)?;
        if self.store.head(&key).await?.is_some() {
            return Ok(());
        }
        let parts = children(&span);
        if parts.is_empty() {
            return Err(LedgerError::Missing { run: *span.start() });
        }
        let mut segments = Vec::new();
        for part in parts {
            Box::pin(self.make(part.clone())).await?;
            segments.extend(self.open(part).await?);
        }
        let mut known = Known::new(segments).await?;
        let mut leaf = Leaf::begin(&self.store, &key).await?;
        while let Some(record) = known.smallest() {
            if leaf.last() != (&record.name[..], &record.etag[..]) {
                leaf.writer.append(&record.name, &record.etag);
            }
            known.advance().await?;
            leaf.flush(PIECE).await?;
        }
        leaf.finish().await?;
        Ok(())
    }

    fn key(&self, span: &RangeInclusive<u64>) -> Result<Key, StoreError> {
        Key::new(format!("{}{:08}-{:08}.seg", self.prefix, span.start(), span.end()))
    }
}

/// A segment on its way into the store.
pub struct Leaf {
    writer: SegmentWriter,
    object: Writer,
}

impl Leaf {
    async fn begin(store: &Store, key: &Key) -> Result<Self, LedgerError> {
        Ok(Self { writer: SegmentWriter::default(), object: store.create_stream(key).await? })
    }

    /// Appends a version of an object; names come in the order of their bytes, each once.
    ///
    /// # Errors
    /// [`LedgerError::Order`] if they do not; as the store.
    pub async fn push(&mut self, name: &str, etag: &str) -> Result<(), LedgerError> {
        self.writer.push(name, etag)?;
        self.flush(PIECE).await
    }

    /// Makes the segment appear, unless it is there.
    ///
    /// # Errors
    /// As the store.
    pub async fn finish(mut self) -> Result<Created, LedgerError> {
        self.object.write(self.writer.finish()).await?;
        Ok(self.object.finish().await?)
    }

    async fn flush(&mut self, at_least: usize) -> Result<(), LedgerError> {
        if self.writer.waiting() >= at_least {
            self.object.write(self.writer.take()).await?;
        }
        Ok(())
    }

    fn last(&self) -> (&[u8], &[u8]) {
        self.writer.last()
    }
}
