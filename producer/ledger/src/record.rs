//! One version of one object, in the order of the ledger.

/// Longest name of an object: S3 allows 1,024 bytes, a URI has a bucket besides.
pub(crate) const LONGEST_NAME: usize = 4096;

/// Name and ETag (in the form of module `etag`), ordered by the bytes of the name first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) name: Vec<u8>,
    pub(crate) etag: Vec<u8>,
}

impl Record {
    /// How many bytes the names have in common at their beginning.
    pub(crate) fn shared(&self, name: &[u8]) -> usize {
        self.name.iter().zip(name).take_while(|(left, right)| left == right).count()
    }

    /// Becomes another record, in the memory that it has.
    pub(crate) fn set(&mut self, shared: usize, suffix: &[u8], etag: &[u8]) {
        self.name.truncate(shared);
        self.name.extend_from_slice(suffix);
        self.etag.clear();
        self.etag.extend_from_slice(etag);
    }
}
