//! A segment: sorted records in one object that never changes.
//!
//! ```text
//! "pixelmill ledger 2\n"  blocks  0  number of records (8 bytes, lowest first)  SHA-256 of everything before
//! ```

use bytes::Bytes;
use sha2::{Digest, Sha256};
use store::{Key, Reader, Store};

use crate::block::{Block, BlockWriter, Front};
use crate::error::LedgerError;
use crate::etag;
use crate::record::{LONGEST_NAME, Record};

const HEAD: &[u8] = b"pixelmill ledger 2\n";
const COUNT: usize = 8;
const DIGEST: usize = 32;
/// Encodes a segment.
pub struct SegmentWriter {
    bytes: Vec<u8>,
    block: BlockWriter,
    hasher: Sha256,
    last: Record,
    etag: Vec<u8>,
    count: u64,
}

impl Default for SegmentWriter {
    fn default() -> Self {
        let (last, etag) = (Record::default(), Vec::new());
        let (block, hasher) = (BlockWriter::default(), Sha256::new());
        Self { bytes: HEAD.to_vec(), block, hasher, last, etag, count: 0 }
    }
}

impl SegmentWriter {
    /// Appends a version of an object.
    ///
    /// # Errors
    /// [`LedgerError::Order`] unless its name comes after the one before, by their bytes, and is of a sane length.
    pub fn push(&mut self, name: &str, etag: &str) -> Result<(), LedgerError> {
        let fits = (1..=LONGEST_NAME).contains(&name.len()) && etag.len() <= etag::LONGEST;
        if !fits || name.as_bytes() <= &self.last.name[..] {
            return Err(LedgerError::order(name.as_bytes(), &self.last.name));
        }
        let mut bytes = std::mem::take(&mut self.etag);
        bytes.clear();
        etag::push(etag, &mut bytes);
        self.append(name.as_bytes(), &bytes);
        self.etag = bytes;
        Ok(())
    }

    /// Appends a record, which must come after the last one.
    pub(crate) fn append(&mut self, name: &[u8], etag: &[u8]) {
        let shared = self.last.shared(name);
        let rest = &name[shared..];
        self.block.push(shared, rest, etag);
        self.last.set(shared, rest, etag);
        self.count += 1;
        if self.block.is_full() {
            self.block.write(&mut self.bytes);
        }
    }

    /// Name and ETag of the last record.
    pub(crate) fn last(&self) -> (&[u8], &[u8]) {
        (&self.last.name, &self.last.etag)
    }

    /// Bytes that wait to be taken.
    pub fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// What was encoded since the last call.
    pub fn take(&mut self) -> Bytes {
        self.hasher.update(&self.bytes);
        std::mem::take(&mut self.bytes).into()
    }

    /// The rest.
    pub fn finish(mut self) -> Bytes {
        self.block.write(&mut self.bytes);
        self.bytes.push(0);
        self.bytes.extend(self.count.to_le_bytes());
        self.hasher.update(&self.bytes);
        self.bytes.extend(self.hasher.finalize());
        self.bytes.into()
    }
}

/// Reads a segment, record by record, a block in memory at a time.
pub struct Segment {
    key: Key,
    reader: Reader,
    bytes: Vec<u8>,
    /// What of `bytes` is read.
    at: usize,
    block: Block,
    hasher: Sha256,
    count: u64,
    pub(crate) record: Record,
}

impl Segment {
    /// The segment at `key`, before its first record; none if there is no such object.
    pub(crate) async fn open(store: &Store, key: &Key) -> Result<Option<Self>, LedgerError> {
        let Some(reader) = store.reader(key).await? else { return Ok(None) };
        let (key, record) = (key.clone(), Record::default());
        let (block, hasher) = (Block::default(), Sha256::new());
        let mut segment = Self { key, reader, bytes: Vec::new(), at: 0, block, hasher, count: 0, record };
        while segment.bytes.len() < HEAD.len() {
            segment.fill().await?;
        }
        if !segment.bytes.starts_with(HEAD) {
            return Err(segment.damaged("it does not begin as a segment does"));
        }
        segment.at = HEAD.len();
        Ok(Some(segment))
    }

    /// Goes on to the next record; false at the end, when all of it was found to be as it was written.
    pub(crate) async fn advance(&mut self) -> Result<bool, LedgerError> {
        while !self.block.advance(&mut self.record).map_err(|reason| self.damaged(reason))? {
            match Block::unpack(&self.bytes[self.at..]).map_err(|reason| self.damaged(reason))? {
                Front::Block(block, length) => {
                    self.block = block;
                    self.at += length;
                }
                Front::End(length) => {
                    self.at += length;
                    return self.end().await.map(|()| false);
                }
                Front::TooShort => self.fill().await?,
            }
        }
        self.count += 1;
        Ok(true)
    }

    /// Compares number and digest.
    async fn end(&mut self) -> Result<(), LedgerError> {
        while self.bytes.len() < self.at + COUNT + DIGEST {
            self.fill().await?;
        }
        let (count, digest) = self.bytes[self.at..].split_at(COUNT);
        let counted = *count == self.count.to_le_bytes();
        self.hasher.update(&self.bytes[..self.at + COUNT]);
        let whole = *digest == *std::mem::take(&mut self.hasher).finalize() && self.reader.chunk().await?.is_none();
        match counted && whole {
            true => Ok(()),
            false => Err(self.damaged("its checksum is another one")),
        }
    }

    /// Reads another chunk.
    async fn fill(&mut self) -> Result<(), LedgerError> {
        let chunk = self.reader.chunk().await?;
        let chunk = chunk.ok_or_else(|| self.damaged("it ends too early"))?;
        self.hasher.update(&self.bytes[..self.at]);
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(&chunk);
        Ok(())
    }

    fn damaged(&self, reason: &'static str) -> LedgerError {
        LedgerError::damaged(&self.key, reason)
    }
}
