//! The names in a store, page by page, sorted.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{BoxStream, Stream, StreamExt};

use crate::error::StoreError;
use crate::key::Key;

/// A stream of pages of keys, sorted by their bytes within and across pages; no page is empty or holds more than 1,000.
/// Objects with names that are no [`Key`] are left out.
pub struct Listing(BoxStream<'static, Result<Vec<Key>, StoreError>>);

impl Listing {
    pub(crate) fn new(pages: impl Stream<Item = Result<Vec<Key>, StoreError>> + Send + 'static) -> Listing {
        Listing(pages.boxed())
    }

    /// The next page, or `None` after the last one.
    ///
    /// # Errors
    /// As the store; the listing is over then.
    pub async fn page(&mut self) -> Result<Option<Vec<Key>>, StoreError> {
        self.0.next().await.transpose()
    }
}

impl Stream for Listing {
    type Item = Result<Vec<Key>, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}
