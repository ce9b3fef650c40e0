//! A segment: sorted records in one object that never changes.
//!
//! ```text
//! "pixelmill ledger 1\n"
//! record: bytes that its name shares with the name before (varint), bytes of the rest of its name + 1 (varint), that rest, ETag
//! 0 0  number of records (8 bytes, lowest first)  SHA-256 of everything before
//! ```

use bytes::Bytes;
use sha2::{Digest, Sha256};
use store::{Key, Reader, Store};

use crate::error::LedgerError;
use crate::etag::{self, Taken};
use crate::record::Record;
use crate::varint;

const HEAD: &[u8] = b"pixelmill ledger 1\n";
const COUNT: usize = 8;
const DIGEST: usize = 32;
/// Longest name of an object: S3 allows 1,024 bytes, a URI has a bucket besides.
const LONGEST_NAME: usize = 4096;
/// What the longest record may take.
const LONGEST_RECORD: usize = LONGEST_NAME + etag::LONGEST + 64;

/// Encodes a segment.
pub struct SegmentWriter {
    bytes: Vec<u8>,
    hasher: Sha256,
    last: Record,
    etag: Vec<u8>,
    count: u64,
}

impl Default for SegmentWriter {
    fn default() -> Self {
        let (last, etag) = (Record::default(), Vec::new());
        Self { bytes: HEAD.to_vec(), hasher: Sha256::new(), last, etag, count: 0 }
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
        varint::push(shared as u64, &mut self.bytes);
        varint::push(rest.len() as u64 + 1, &mut self.bytes);
        self.bytes.extend_from_slice(rest);
        self.bytes.extend_from_slice(etag);
        self.last.set(shared, rest, etag);
        self.count += 1;
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
        self.bytes.extend([0, 0]);
        self.bytes.extend(self.count.to_le_bytes());
        self.hasher.update(&self.bytes);
        self.bytes.extend(self.hasher.finalize());
        self.bytes.into()
    }
}

/// Reads a segment, record by record, a chunk in memory at a time.
pub struct Segment {
    key: Key,
    reader: Reader,
    bytes: Vec<u8>,
    /// What of `bytes` is read.
    at: usize,
    hasher: Sha256,
    count: u64,
    pub(crate) record: Record,
}

enum Step {
    Record,
    End,
    NeedsMore,
}

impl Segment {
    /// The segment at `key`, before its first record; none if there is no such object.
    pub(crate) async fn open(store: &Store, key: &Key) -> Result<Option<Self>, LedgerError> {
        let Some(reader) = store.reader(key).await? else { return Ok(None) };
        let (key, record) = (key.clone(), Record::default());
        let mut segment = Self { key, reader, bytes: Vec::new(), at: 0, hasher: Sha256::new(), count: 0, record };
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
        loop {
            match self.step()? {
                Step::Record => return Ok(true),
                Step::End => return self.end().await.map(|()| false),
                Step::NeedsMore if self.bytes.len() - self.at > LONGEST_RECORD => {
                    return Err(self.damaged("a record is too long"));
                }
                Step::NeedsMore => self.fill().await?,
            }
        }
    }

    /// Reads a record if all of it is there.
    fn step(&mut self) -> Result<Step, LedgerError> {
        let mut rest = &self.bytes[self.at..];
        let (Some(shared), Some(length)) = (varint::take(&mut rest), varint::take(&mut rest)) else {
            return Ok(Step::NeedsMore);
        };
        if (shared, length) == (0, 0) {
            self.at = self.bytes.len() - rest.len();
            return Ok(Step::End);
        }
        let known = self.record.name.len();
        if shared > known as u64 || length == 0 || shared + length > LONGEST_NAME as u64 + 1 {
            return Err(self.damaged("a name has an impossible length"));
        }
        let (shared, length) = (shared as usize, length as usize - 1);
        let Some(suffix) = rest.get(..length) else { return Ok(Step::NeedsMore) };
        rest = &rest[length..];
        let etag = match etag::take(&mut rest) {
            Taken::Etag(etag) => etag,
            Taken::TooShort => return Ok(Step::NeedsMore),
            Taken::Wrong => return Err(self.damaged("an ETag has an unknown form")),
        };
        let later = (suffix, etag) > (&self.record.name[shared..], &self.record.etag[..]);
        if !later || self.record.name.len() + suffix.len() == 0 {
            return Err(self.damaged("its records are not in order"));
        }
        self.record.set(shared, suffix, etag);
        self.count += 1;
        self.at = self.bytes.len() - rest.len();
        Ok(Step::Record)
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
