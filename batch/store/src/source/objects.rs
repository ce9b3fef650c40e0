//! Many objects of a bucket in order, faster than one page after the other: ranges of keys are listed at the same time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream, Stream, StreamExt};
use tokio::sync::mpsc;

use super::Object;
use crate::error::StoreError;
use crate::s3::{Bucket, Span};

/// Ranges at a time.
const RANGES: usize = 8;
/// Pages that wait for each range: with 1,000 objects a page, what bounds the memory.
const WAITING: usize = 8;
/// As many folders are looked at to find where to cut; more tell nothing new.
const SEEN: usize = 1000;
/// Folders that hold nothing but one folder.
const DEEPEST: usize = 16;

/// A stream of pages of objects, sorted by key within and across pages, none empty.
pub struct Objects(BoxStream<'static, Result<Vec<Object>, StoreError>>);

impl Objects {
    /// The next page, or `None` after the last one.
    ///
    /// # Errors
    /// As a store; the listing is over then.
    pub async fn page(&mut self) -> Result<Option<Vec<Object>>, StoreError> {
        self.0.next().await.transpose()
    }
}

impl Stream for Objects {
    type Item = Result<Vec<Object>, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

pub(super) async fn list(bucket: Arc<Bucket>, prefix: &str) -> Result<Objects, StoreError> {
    let cuts = cuts(&bucket, prefix).await?;
    let mut spans = Vec::with_capacity(cuts.len() + 1);
    let mut after = None;
    for cut in cuts {
        spans.push(Span { prefix: prefix.into(), after: after.replace(cut.clone()), until: Some(cut) });
    }
    spans.push(Span { prefix: prefix.into(), after, until: None });
    // Tasks fill bounded channels, which are emptied one after the other: sorted without sorting.
    let ranges: Vec<_> = spans.into_iter().map(|span| fill(bucket.clone(), span)).collect();
    let pages = stream::iter(ranges).flat_map(|pages| {
        stream::unfold(pages, |mut pages| async move { pages.recv().await.map(|page| (page, pages)) })
    });
    Ok(Objects(pages.filter(|page| futures::future::ready(!matches!(page, Ok(page) if page.is_empty()))).boxed()))
}

/// Keys between which there is about as much; folders are all that a listing tells about what is to come.
async fn cuts(bucket: &Bucket, prefix: &str) -> Result<Vec<String>, StoreError> {
    let mut at = prefix.to_owned();
    for _ in 0..DEEPEST {
        let level = bucket.folders(&at, SEEN).await?;
        match &level.prefixes[..] {
            [only] if level.complete && !level.objects => at = only.clone(),
            [] | [_] => break,
            many => {
                let ranges = RANGES.min(many.len());
                return Ok((1..ranges).map(|n| many[n * many.len() / ranges].clone()).collect());
            }
        }
    }
    Ok(Vec::new())
}

fn fill(bucket: Arc<Bucket>, span: Span) -> mpsc::Receiver<Result<Vec<Object>, StoreError>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut pages = std::pin::pin!(bucket.pages(span));
        while let Some(page) = pages.next().await {
            let failed = page.is_err();
            // Nobody waits any more when the listing was dropped.
            if sender.send(page).await.is_err() || failed {
                break;
            }
        }
    });
    receiver
}
