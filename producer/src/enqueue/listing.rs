//! The images of a new batch, as they are listed: made absolute, checked, counted for whoever waits.

use batch::{BatchError, ImageFile, ImageListWriter, ImageRef, Layout};
use indicatif::ProgressBar;
use program::Failure;
use store::Store;
use tokio::sync::mpsc::Receiver;

use crate::display::counting;

/// Images on their way from the inputs.
pub(super) struct Listing {
    images: Receiver<Result<ImageRef, BatchError>>,
    http_hosts: Vec<String>,
    progress: ProgressBar,
}

impl Listing {
    pub(super) fn new(images: Receiver<Result<ImageRef, BatchError>>, http_hosts: Vec<String>) -> Self {
        Self { images, http_hosts, progress: counting("listing: {human_pos} images, {elapsed}") }
    }

    /// The next image.
    pub(super) async fn next(&mut self) -> Result<Option<ImageRef>, Failure> {
        let Some(image) = self.images.recv().await else {
            self.progress.finish_and_clear();
            return Ok(None);
        };
        self.progress.inc(1);
        let mut image = image?;
        match image.uri.split_once("://") {
            Some((scheme, _)) if !["s3", "https", "http", "file"].contains(&scheme) => {
                Err(Failure::usage(format!("{}: use s3://, https:// or a file path", image.uri)))
            }
            Some(("https" | "http", rest)) => {
                self.check_host(&image.uri, rest)?;
                Ok(Some(image))
            }
            Some(_) => Ok(Some(image)),
            None => {
                // Workers run in other folders.
                let path = std::path::absolute(&image.uri);
                let path = path.map_err(|error| Failure::usage(format!("{:?}: {error}", image.uri)))?;
                image.uri = path.to_string_lossy().into_owned();
                Ok(Some(image))
            }
        }
    }

    /// Writes all images into the store.
    pub(super) async fn store(mut self, store: &Store, layout: &Layout) -> Result<Vec<ImageFile>, Failure> {
        let mut writer = ImageListWriter::new(store, layout);
        while let Some(image) = self.next().await? {
            writer.push(&image).await?;
        }
        Ok(writer.finish().await?)
    }

    /// Workers fetch only from hosts that they were told; a batch that cannot work is refused before it begins.
    fn check_host(&self, uri: &str, rest: &str) -> Result<(), Failure> {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let allowed = |allowed: &String| allowed.strip_prefix("http://").unwrap_or(allowed) == host;
        let without_port = |allowed: &String| host.rsplit_once(':').is_some_and(|(host, _)| allowed == host);
        if self.http_hosts.iter().any(|host| allowed(host) || without_port(host)) {
            return Ok(());
        }
        Err(Failure::usage(format!("{uri}: give --allow-http-host {host} here and to the workers, if you trust it")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn one(uri: &str, hosts: &[&str]) -> Result<String, Failure> {
        let (sender, images) = tokio::sync::mpsc::channel(1);
        sender.send(Ok(ImageRef::new(uri))).await.unwrap();
        let mut listing = Listing::new(images, hosts.iter().map(|host| (*host).to_owned()).collect());
        listing.next().await.map(|image| image.unwrap().uri)
    }

    #[tokio::test]
    async fn paths_become_absolute_and_addresses_need_their_host() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(one("a/b.jpg", &[]).await.unwrap(), here.join("a/b.jpg").to_str().unwrap());
        assert_eq!(one("s3://b/../k", &[]).await.unwrap(), "s3://b/../k");
        assert_eq!(one("https://h/x", &["h"]).await.unwrap(), "https://h/x");
        for (uri, hosts) in [("https://h/x", &[][..]), ("https://h.evil/x", &["h"]), ("ftp://h/x", &["h"])] {
            assert_eq!(one(uri, hosts).await.unwrap_err().code, Failure::USAGE, "{uri}");
        }
    }
}
