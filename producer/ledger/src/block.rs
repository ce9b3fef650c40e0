//! A block: some thousand neighbouring records, packed together.
//!
//! ```text
//! number of records, length of the packed names, length of the digests (varints)  packed names  digests, 16 bytes each
//! names, packed by DEFLATE: for each record
//!   bytes that its name shares with the name before (varint)  bytes of the rest (varint)  that rest  its ETag without the digest
//! ```
//!
//! What names differ in is mostly the next number, which takes half a byte when it is packed; a digest takes what it takes.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::etag;
use crate::record::{LONGEST_NAME, Record};
use crate::varint;

/// Records of a block, at most.
const RECORDS: usize = 4096;
/// Bytes of names after which a block ends.
const ENOUGH: usize = 64 << 10;
/// What the names of a block may take: the last record may be the longest.
const MOST: usize = ENOUGH + LONGEST_NAME + etag::LONGEST + 64;
/// DEFLATE's usual trade of time for room.
const LEVEL: u8 = 6;

/// Gathers records until they are a block.
#[derive(Default)]
pub(crate) struct BlockWriter {
    names: Vec<u8>,
    digests: Vec<u8>,
    records: usize,
}

impl BlockWriter {
    /// Appends a record: how much of its name is that of the record before, the rest of it, its ETag.
    pub(crate) fn push(&mut self, shared: usize, rest: &[u8], etag: &[u8]) {
        varint::push(shared as u64, &mut self.names);
        varint::push(rest.len() as u64, &mut self.names);
        self.names.extend_from_slice(rest);
        etag::split(etag, &mut self.names, &mut self.digests);
        self.records += 1;
    }

    /// Whether what is gathered should become a block.
    pub(crate) fn is_full(&self) -> bool {
        self.records == RECORDS || self.names.len() >= ENOUGH
    }

    /// Appends what is gathered, if anything, as a block, and begins another one.
    pub(crate) fn write(&mut self, to: &mut Vec<u8>) {
        if self.records == 0 {
            return;
        }
        let packed = compress_to_vec(&self.names, LEVEL);
        varint::push(self.records as u64, to);
        varint::push(packed.len() as u64, to);
        varint::push(self.digests.len() as u64, to);
        to.extend_from_slice(&packed);
        to.extend_from_slice(&self.digests);
        self.names.clear();
        self.digests.clear();
        self.records = 0;
    }
}

/// The records of a block, one after the other.
#[derive(Default)]
pub(crate) struct Block {
    names: Vec<u8>,
    digests: Vec<u8>,
    at_name: usize,
    at_digest: usize,
    /// Records that were not read yet.
    left: u64,
    /// The ETag of the last one: memory that is used again.
    etag: Vec<u8>,
}

/// What is at the front of some bytes.
pub(crate) enum Front {
    /// A block of so many bytes.
    Block(Block, usize),
    /// Not a block but the mark of the end, of so many bytes.
    End(usize),
    /// The beginning of a block.
    TooShort,
}

impl Block {
    /// Unpacks the block at the front of `bytes`.
    ///
    /// # Errors
    /// Why there can be no block.
    pub(crate) fn unpack(bytes: &[u8]) -> Result<Front, &'static str> {
        let mut rest = bytes;
        let records = match varint::take(&mut rest) {
            Some(0) => return Ok(Front::End(bytes.len() - rest.len())),
            Some(records) => records,
            None => return Ok(Front::TooShort),
        };
        let (Some(packed), Some(digests)) = (varint::take(&mut rest), varint::take(&mut rest)) else {
            return Ok(Front::TooShort);
        };
        // What cannot be packed takes a few bytes more than it has.
        if records > RECORDS as u64 || packed > 2 * MOST as u64 || digests > records * etag::DIGEST as u64 {
            return Err("a block has an impossible length");
        }
        let length = (packed + digests) as usize;
        let Some((block, rest)) = rest.split_at_checked(length) else { return Ok(Front::TooShort) };
        let (packed, digests) = block.split_at(packed as usize);
        let names = decompress_to_vec_with_limit(packed, MOST).map_err(|_| "a block cannot be unpacked")?;
        let block = Self { names, digests: digests.to_vec(), left: records, ..Self::default() };
        Ok(Front::Block(block, bytes.len() - rest.len()))
    }

    /// Makes `record`, which is the one before, the next one; false at the end of the block.
    ///
    /// # Errors
    /// Why it can be no record.
    pub(crate) fn advance(&mut self, record: &mut Record) -> Result<bool, &'static str> {
        let mut names = &self.names[self.at_name..];
        let mut digests = &self.digests[self.at_digest..];
        if self.left == 0 {
            return if names.is_empty() && digests.is_empty() { Ok(false) } else { Err("a block is too long") };
        }
        let (Some(shared), Some(length)) = (varint::take(&mut names), varint::take(&mut names)) else {
            return Err("a block is too short");
        };
        if shared > record.name.len() as u64 || length > LONGEST_NAME as u64 || shared + length > LONGEST_NAME as u64 {
            return Err("a name has an impossible length");
        }
        let Some((rest, names)) = names.split_at_checked(length as usize) else { return Err("a block is too short") };
        let mut names = names;
        self.etag.clear();
        etag::join(&mut names, &mut digests, &mut self.etag).ok_or("an ETag has an unknown form")?;
        let shared = shared as usize;
        let later = (rest, &self.etag[..]) > (&record.name[shared..], &record.etag[..]);
        if !later || shared + rest.len() == 0 {
            return Err("its records are not in order");
        }
        record.set(shared, rest, &self.etag);
        self.left -= 1;
        self.at_name = self.names.len() - names.len();
        self.at_digest = self.digests.len() - digests.len();
        Ok(true)
    }
}
