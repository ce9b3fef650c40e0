//! What is new: the listing of the source beside the ledger, both in the order of their bytes, in bounded memory.

use batch::input::{Filter, Input};
use batch::{ImageFile, ImageListWriter, ImageRef, Layout};
use indicatif::ProgressBar;
use jiff::Timestamp;
use ledger::{Found, Known};
use program::Failure;
use store::Store;
use store::source::{Object, Objects, Settings, Sources};

use super::args::EtlArgs;
use super::run_file::Counts;
use crate::display::counting;

/// Where a pipeline takes its images from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    bucket: String,
    prefix: String,
}

impl Source {
    /// Understands `s3://bucket/prefix/`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        match Input::parse(text) {
            Ok(Input::Prefix { bucket, prefix }) if !bucket.is_empty() => Ok(Self { bucket, prefix }),
            _ => Err(Failure::usage(format!("--source {text}: write s3://bucket/prefix/, with a slash at its end"))),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// The images that a run would take.
pub(super) struct Fresh {
    objects: Objects,
    page: std::vec::IntoIter<Object>,
    bucket: String,
    filter: Filter,
    backfill: bool,
    known: Known,
    counts: Counts,
    progress: ProgressBar,
}

impl Fresh {
    /// Begins to list the source.
    pub(super) async fn list(args: &EtlArgs, source: &Source, known: Known) -> Result<Self, Failure> {
        let sources = Sources::new(Settings { options: args.store.options(), ..Settings::default() })?;
        let objects = sources.list_objects(&source.bucket, &source.prefix).await?;
        Ok(Self {
            objects,
            page: Vec::new().into_iter(),
            bucket: source.bucket.clone(),
            filter: args.files.filter(args.since, args.until),
            backfill: args.backfill,
            known,
            counts: Counts::default(),
            progress: counting("listing: {human_pos} objects, {elapsed}"),
        })
    }

    /// The next image that is taken.
    pub(super) async fn next(&mut self) -> Result<Option<ImageRef>, Failure> {
        loop {
            let Some(object) = self.page.next() else {
                match self.objects.page().await? {
                    Some(page) => self.page = page.into_iter(),
                    None => return Ok(None),
                }
                continue;
            };
            self.progress.inc(1);
            if self.filter.takes_object(&object)
                && let Some(image) = self.take(object).await?
            {
                return Ok(Some(image));
            }
        }
    }

    /// Asks the ledger about one object.
    async fn take(&mut self, object: Object) -> Result<Option<ImageRef>, Failure> {
        let uri = format!("s3://{}/{}", self.bucket, object.key);
        if object.etag.is_empty() {
            return Err(Failure::usage(format!(
                "{uri} has no ETag, which is how a pipeline knows what it took; `enqueue` takes such objects"
            )));
        }
        let found = self.known.find(&uri, &object.etag).await?;
        let counts = &mut self.counts;
        counts.listed += 1;
        match found {
            Found::New => counts.new += 1,
            Found::Overwritten => counts.overwritten += 1,
            Found::Known if self.backfill => counts.again += 1,
            Found::Known => return Ok(None),
        }
        counts.bytes += object.size;
        let modified = object.last_modified.and_then(|time| Timestamp::try_from(time).ok());
        counts.newest = counts.newest.max(modified);
        Ok(Some(ImageRef { etag: Some(object.etag), size: Some(object.size), ..ImageRef::new(uri) }))
    }

    /// Writes all images into `store`; the files that hold them, and what the listing was.
    pub(super) async fn store(mut self, store: &Store, layout: &Layout) -> Result<(Vec<ImageFile>, Counts), Failure> {
        let mut writer = ImageListWriter::new(store, layout);
        while let Some(image) = self.next().await? {
            writer.push(&image).await?;
        }
        let counts = self.finish().await?;
        Ok((writer.finish().await?, counts))
    }

    /// What the listing was; an error if the ledger turned out to be damaged.
    pub(super) async fn finish(self) -> Result<Counts, Failure> {
        self.progress.finish_and_clear();
        self.known.finish().await?;
        Ok(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_prefix() {
        for text in ["s3://b/", "s3://b/incoming/2026/"] {
            assert_eq!(Source::parse(text).unwrap().to_string(), text);
        }
        for text in ["s3://b", "s3://b/key.jpg", "s3:///x/", "photos/", "@list", "https://h/"] {
            assert_eq!(Source::parse(text).unwrap_err().code, Failure::USAGE, "{text}");
        }
    }
}
