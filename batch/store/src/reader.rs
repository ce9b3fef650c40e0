//! Large objects as a stream of chunks or lines, in bounded memory.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, Stream, StreamExt};

use crate::error::StoreError;
use crate::store::Meta;

/// The content of one object, as it was when it was opened: read [`chunk`](Reader::chunk) by chunk or
/// [`line`](Reader::line) by line, or as a `Stream` of chunks.
pub struct Reader {
    meta: Meta,
    place: String,
    chunks: BoxStream<'static, Result<Bytes, StoreError>>,
    /// What a line did not use yet.
    rest: Bytes,
}

impl Reader {
    pub(crate) fn new(
        meta: Meta,
        place: String,
        chunks: impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static,
    ) -> Reader {
        Reader { meta, place, chunks: chunks.boxed(), rest: Bytes::new() }
    }

    /// Size and version of the object.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The next bytes, never empty, or `None` at the end.
    ///
    /// # Errors
    /// As the store; [`StoreError::Changed`] if the object is not the one that was opened any more.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        self.chunks.next().await.transpose()
    }

    /// The next line without its `\n`, or `None` at the end. A last line without `\n` is a line too.
    ///
    /// # Errors
    /// As [`chunk`](Reader::chunk); [`StoreError::TooLarge`] for a line of more than `longest` bytes.
    pub async fn line(&mut self, longest: usize) -> Result<Option<Bytes>, StoreError> {
        let mut begun = BytesMut::new();
        loop {
            let Some(mut chunk) = self.chunk().await? else {
                return Ok((!begun.is_empty()).then(|| begun.freeze()));
            };
            let end = chunk.iter().position(|&byte| byte == b'\n');
            if begun.len() + end.unwrap_or(chunk.len()) > longest {
                return Err(StoreError::TooLarge { place: format!("a line of {}", self.place), limit: longest as u64 });
            }
            let Some(end) = end else {
                begun.extend_from_slice(&chunk);
                continue;
            };
            let line = chunk.split_to(end);
            self.rest = chunk.slice(1..);
            if begun.is_empty() {
                return Ok(Some(line));
            }
            begun.extend_from_slice(&line);
            return Ok(Some(begun.freeze()));
        }
    }

    /// All that is left, if it is at most `limit` bytes.
    ///
    /// # Errors
    /// As [`chunk`](Reader::chunk); [`StoreError::TooLarge`] beyond the limit.
    pub async fn rest(mut self, limit: u64) -> Result<Bytes, StoreError> {
        let mut all = BytesMut::with_capacity(self.meta.size.min(limit).min(64 << 20) as usize);
        while let Some(chunk) = self.chunk().await? {
            if (all.len() + chunk.len()) as u64 > limit {
                return Err(StoreError::TooLarge { place: self.place, limit });
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.rest))));
        }
        self.chunks.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn reader(chunks: &[&'static str]) -> Reader {
        let chunks: Vec<_> = chunks.iter().map(|c| Ok(Bytes::from_static(c.as_bytes()))).collect();
        Reader::new(Meta { size: 0, etag: String::new() }, "s3://b/k".into(), stream::iter(chunks))
    }

    #[tokio::test]
    async fn lines_are_found_across_chunks() {
        let mut reader = reader(&["ab\n\ncd", "e", "f\ng", "\nlast"]);
        for line in ["ab", "", "cdef", "g", "last"] {
            assert_eq!(reader.line(10).await.expect("no fault").expect("a line"), line);
        }
        assert_eq!(reader.line(10).await.expect("no fault"), None);
    }

    #[tokio::test]
    async fn a_long_line_is_refused() {
        assert_eq!(reader(&["123", "45\n"]).line(5).await.expect("fits").expect("a line"), "12345");
        let refused = reader(&["123", "456\n"]).line(5).await;
        assert!(matches!(refused, Err(StoreError::TooLarge { limit: 5, .. })));
    }

    #[tokio::test]
    async fn the_rest_is_bounded() {
        assert_eq!(reader(&["123", "45"]).rest(5).await.expect("fits"), "12345");
        assert!(matches!(reader(&["123", "45"]).rest(4).await, Err(StoreError::TooLarge { limit: 4, .. })));
    }
}
