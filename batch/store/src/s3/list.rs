//! The objects of a bucket in the order of their keys, page by page.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use futures::{Stream, stream};

use super::bucket::{Bucket, plain, size};
use super::fault::Fault;
use crate::error::StoreError;
use crate::source::Object;

/// More folders than a store has batches are not held in memory.
pub(crate) const FOLDERS: usize = 1_000_000;

/// Which keys: those that begin with `prefix`, in `(after, until]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Span {
    pub(crate) prefix: String,
    pub(crate) after: Option<String>,
    pub(crate) until: Option<String>,
}

/// What lies directly below a prefix.
#[derive(Debug)]
pub(crate) struct Level {
    /// Sorted, each with its `/` at the end.
    pub(crate) prefixes: Vec<String>,
    /// Whether there are objects beside them.
    pub(crate) objects: bool,
    /// Whether all of it was looked at.
    pub(crate) complete: bool,
}

impl Bucket {
    /// The objects of a span, at most 1,000 a page; pages may be empty.
    pub(crate) fn pages(self: Arc<Self>, span: Span) -> impl Stream<Item = Result<Vec<Object>, StoreError>> + Send {
        stream::try_unfold(Some(None), move |next: Option<Option<String>>| {
            let (bucket, span) = (self.clone(), span.clone());
            async move {
                let Some(token) = next else { return Ok(None) };
                let answer = bucket.retried(&span.prefix, |_| bucket.try_list(&span, None, token.as_deref())).await?;
                let mut next = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true)).map(Some);
                let mut page: Vec<Object> =
                    answer.contents.unwrap_or_default().into_iter().filter_map(object).collect();
                if let Some(until) = &span.until
                    && page.last().is_some_and(|last| &last.key > until)
                {
                    page.retain(|found| &found.key <= until);
                    next = None;
                }
                Ok(Some((page, next)))
            }
        })
    }

    /// The "folders" directly below `prefix`, until `most` of them were seen.
    pub(crate) async fn folders(&self, prefix: &str, most: usize) -> Result<Level, StoreError> {
        let span = Span { prefix: prefix.into(), ..Span::default() };
        let mut level = Level { prefixes: Vec::new(), objects: false, complete: false };
        let mut token = None;
        while level.prefixes.len() < most {
            let answer = self.retried(prefix, |_| self.try_list(&span, Some("/"), token.as_deref())).await?;
            level.objects |= answer.contents.is_some_and(|found| !found.is_empty());
            level
                .prefixes
                .extend(answer.common_prefixes.unwrap_or_default().into_iter().filter_map(|found| found.prefix));
            token = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
            if token.is_none() {
                level.complete = true;
                break;
            }
        }
        Ok(level)
    }

    async fn try_list(
        &self,
        span: &Span,
        delimiter: Option<&str>,
        token: Option<&str>,
    ) -> Result<ListObjectsV2Output, Fault> {
        let request = self.client.list_objects_v2().bucket(self.name()).prefix(&span.prefix);
        let request = request.set_delimiter(delimiter.map(str::to_owned));
        let request = match token {
            Some(token) => request.continuation_token(token),
            None => request.set_start_after(span.after.clone()),
        };
        request.send().await.map_err(Fault::of)
    }
}

fn object(found: aws_sdk_s3::types::Object) -> Option<Object> {
    Some(Object {
        key: found.key?,
        etag: plain(found.e_tag.as_deref()),
        size: size(found.size),
        last_modified: found.last_modified.and_then(|at| SystemTime::try_from(at).ok()),
    })
}
