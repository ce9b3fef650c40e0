//! Several segments read as one, side by side with a listing: both are in the order of their bytes, so that nothing has to
//! be held in memory.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::error::LedgerError;
use crate::etag;
use crate::record::Record;
use crate::segment::Segment;

/// What the ledger says of a version of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is nothing of this name.
    New,
    /// The name is there, with other ETags only.
    Overwritten,
    /// Name and ETag are there.
    Known,
}

/// The records of several segments.
pub struct Known {
    heads: BinaryHeap<Reverse<Head>>,
    asked: Vec<u8>,
    etag: Vec<u8>,
}

/// A segment at a record, ordered by it.
struct Head(Segment);

impl Known {
    /// All records of `segments`.
    ///
    /// # Errors
    /// Of reading a segment.
    pub async fn new(segments: Vec<Segment>) -> Result<Self, LedgerError> {
        let mut heads = BinaryHeap::with_capacity(segments.len());
        for mut segment in segments {
            if segment.advance().await? {
                heads.push(Reverse(Head(segment)));
            }
        }
        Ok(Self { heads, asked: Vec::new(), etag: Vec::new() })
    }

    /// Looks for a version of an object. Names are asked for in the order of their bytes, each once.
    ///
    /// # Errors
    /// [`LedgerError::Order`] if they are not; of reading a segment.
    pub async fn find(&mut self, name: &str, etag: &str) -> Result<Found, LedgerError> {
        let name = name.as_bytes();
        if name <= &self.asked[..] {
            return Err(LedgerError::order(name, &self.asked));
        }
        self.asked.clear();
        self.asked.extend_from_slice(name);
        self.etag.clear();
        etag::push(etag, &mut self.etag);
        let mut found = Found::New;
        while let Some(record) = self.smallest() {
            match record.name[..].cmp(name) {
                Ordering::Greater => break,
                Ordering::Equal if record.etag == self.etag => found = Found::Known,
                Ordering::Equal if found == Found::New => found = Found::Overwritten,
                Ordering::Equal | Ordering::Less => {}
            }
            self.advance().await?;
        }
        Ok(found)
    }

    /// Reads what is left of every segment, so that damage is found. What [`find`](Self::find) said may be relied on only
    /// after this.
    ///
    /// # Errors
    /// Of reading a segment.
    pub async fn finish(mut self) -> Result<(), LedgerError> {
        while let Some(Reverse(Head(mut segment))) = self.heads.pop() {
            while segment.advance().await? {}
        }
        Ok(())
    }

    /// The smallest record that was not passed.
    pub(crate) fn smallest(&self) -> Option<&Record> {
        self.heads.peek().map(|Reverse(Head(segment))| &segment.record)
    }

    /// Passes the smallest record, in one of the segments that have it.
    pub(crate) async fn advance(&mut self) -> Result<(), LedgerError> {
        if let Some(Reverse(Head(mut segment))) = self.heads.pop()
            && segment.advance().await?
        {
            self.heads.push(Reverse(Head(segment)));
        }
        Ok(())
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.record.cmp(&other.0.record)
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}
