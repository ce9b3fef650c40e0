//! INPUT arguments: what a user names becomes a stream of images, in a fixed order.

mod file_list;
mod local;
mod object;
mod table;

use std::path::{Path, PathBuf};

use models::Digest;
use store::source::{Object, Sources};
use tokio::sync::mpsc;

use crate::error::BatchError;
use crate::image::ImageRef;

pub use table::{TableFormat, records};

/// Images waiting to be taken from a listing.
const AHEAD: usize = 1024;

/// One INPUT argument, understood but not yet listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, whatever it turns out to be.
    File(PathBuf),
    /// A directory and everything below it, hidden names left out.
    Directory(PathBuf),
    /// A pattern over file paths.
    Glob(String),
    /// A list, one URI a line; its digest belongs to the arguments of the batch.
    List {
        /// The URIs.
        text: String,
        /// `@file` or `-`.
        name: String,
    },
    /// A `.jsonl` or `.csv` file with `uri` and optional `id`.
    Table(PathBuf),
    /// An object, `s3://bucket/key`.
    Object(String),
    /// All objects below `s3://bucket/prefix/`.
    Prefix {
        /// The bucket.
        bucket: String,
        /// The prefix; may be empty.
        prefix: String,
    },
    /// An `https://` address.
    Https(String),
}

/// Which of the listed images to take. Images named one by one (in lists and tables, or as files) are always taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// File name extensions in lower case without the dot; empty: all.
    pub extensions: Vec<String>,
    /// Smallest size in bytes.
    pub min_bytes: Option<u64>,
    /// Largest size in bytes.
    pub max_bytes: Option<u64>,
    /// Not modified before this time.
    pub since: Option<jiff::Timestamp>,
    /// Modified before this time.
    pub until: Option<jiff::Timestamp>,
}

impl Input {
    /// Understands one argument; lists are read here. The error is a sentence for the user.
    pub fn parse(argument: &str) -> Result<Self, BatchError> {
        if let Some(rest) = argument.strip_prefix("s3://") {
            return match rest.split_once('/') {
                Some((bucket, prefix)) if prefix.is_empty() || prefix.ends_with('/') => {
                    Ok(Self::Prefix { bucket: bucket.into(), prefix: prefix.into() })
                }
                Some((bucket, _)) if !bucket.is_empty() => Ok(Self::Object(argument.into())),
                _ => {
                    Err(unusable(argument, "write s3://bucket/key for an object, s3://bucket/prefix/ for all below it"))
                }
            };
        }
        if argument.starts_with("https://") {
            return Ok(Self::Https(argument.into()));
        }
        if argument == "-" || argument.starts_with('@') {
            return file_list::read(argument);
        }
        let path = Path::new(argument.strip_prefix("file://").unwrap_or(argument));
        if path.is_dir() {
            return Ok(Self::Directory(path.into()));
        }
        if !path.exists() && argument.contains(['*', '?', '[', '{']) {
            return Ok(Self::Glob(argument.into()));
        }
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("jsonl" | "csv") => Ok(Self::Table(path.into())),
            _ => Ok(Self::File(path.into())),
        }
    }

    /// How the argument stands in a manifest: two inputs with the same text mean the same images, as far as that can be
    /// known. Lists and tables are known by their content.
    fn identity(&self) -> Result<String, BatchError> {
        Ok(match self {
            Self::File(path) | Self::Directory(path) => path.display().to_string(),
            Self::Glob(pattern) => pattern.clone(),
            Self::List { text, name } => format!("{name} sha256={}", Digest::of(text.as_bytes())),
            Self::Table(path) => {
                let digest = table::open(path).and_then(Digest::of_reader);
                let digest = digest.map_err(|error| unusable(&path.display().to_string(), &error.to_string()))?;
                format!("{} sha256={digest}", path.display())
            }
            Self::Object(uri) | Self::Https(uri) => uri.clone(),
            Self::Prefix { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        })
    }

    fn is_relative(&self) -> bool {
        match self {
            Self::File(path) | Self::Directory(path) | Self::Table(path) => path.is_relative(),
            Self::Glob(pattern) => Path::new(pattern).is_relative(),
            Self::List { .. } => true,
            Self::Object(_) | Self::Prefix { .. } | Self::Https(_) => false,
        }
    }
}

/// What the manifest keeps of the inputs, to tell the same request from another one. Relative paths mean something else
/// in another working directory, so that belongs to them.
pub fn identity(inputs: &[Input], filter: &Filter) -> Result<Vec<String>, BatchError> {
    let mut identity: Vec<String> = inputs.iter().map(Input::identity).collect::<Result<_, _>>()?;
    if *filter != Filter::default() {
        identity.push(format!("{filter:?}"));
    }
    if inputs.iter().any(Input::is_relative) {
        let here = std::env::current_dir().map_err(|error| unusable(".", &error.to_string()))?;
        identity.push(format!("in {}", here.display()));
    }
    Ok(identity)
}

/// The images of all `inputs`, one input after the other, each in the order of its listing (folders by name).
/// `sources` lists what lies in S3.
pub fn list(inputs: Vec<Input>, filter: Filter, sources: Sources) -> mpsc::Receiver<Result<ImageRef, BatchError>> {
    let (images, listing) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        for input in inputs {
            if let Err(error) = list_one(input, &filter, &sources, &images).await {
                let _nobody_listens = images.send(Err(error)).await;
                return;
            }
        }
    });
    listing
}

type Images = mpsc::Sender<Result<ImageRef, BatchError>>;

async fn list_one(input: Input, filter: &Filter, sources: &Sources, images: &Images) -> Result<(), BatchError> {
    let send = async |image: ImageRef| images.send(Ok(image)).await.is_ok();
    match input {
        Input::File(path) => drop(send(local::file(&path)).await),
        Input::Object(uri) => drop(send(object::listed(uri, sources).await?).await),
        Input::Https(uri) => drop(send(ImageRef::new(uri)).await),
        Input::List { text, .. } => {
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                if !send(ImageRef::new(line)).await {
                    break;
                }
            }
        }
        Input::Directory(root) => blocking(images, filter, move |found| local::walk(&root, found)).await?,
        Input::Glob(pattern) => blocking(images, filter, move |found| local::glob(&pattern, found)).await?,
        Input::Table(path) => blocking(images, &Filter::default(), move |found| table::read(&path, found)).await?,
        Input::Prefix { bucket, prefix } => {
            let mut objects = sources.list_objects(&bucket, &prefix).await?;
            while let Some(page) = objects.page().await? {
                for object in page.into_iter().filter(|object| filter.takes_object(object)) {
                    let uri = format!("s3://{bucket}/{}", object.key);
                    let image = ImageRef { etag: Some(object.etag), size: Some(object.size), ..ImageRef::new(uri) };
                    if !send(image).await {
                        return Ok(());
                    }
                }
            }
        }
    }
    Ok(())
}

/// What a blocking listing has found.
struct Found {
    image: ImageRef,
    modified: Option<jiff::Timestamp>,
}

/// Runs a blocking listing on its own thread; it stops when nobody listens any more.
async fn blocking(
    images: &Images,
    filter: &Filter,
    list: impl FnOnce(&mut dyn FnMut(Found) -> bool) -> Result<(), BatchError> + Send + 'static,
) -> Result<(), BatchError> {
    let (images, filter) = (images.clone(), filter.clone());
    let listing = tokio::task::spawn_blocking(move || {
        list(&mut |found| !filter.takes(&found) || images.blocking_send(Ok(found.image)).is_ok())
    });
    listing.await.map_err(|error| BatchError::local("listing images")(&error))?
}

impl Filter {
    fn takes(&self, found: &Found) -> bool {
        self.takes_all_of(&found.image.uri, found.image.size, found.modified)
    }

    /// Whether an object of a bucket is wanted. A key that ends in a slash is a folder that a console made.
    pub fn takes_object(&self, object: &Object) -> bool {
        if object.key.ends_with('/') {
            return false;
        }
        let modified = object.last_modified.and_then(|time| jiff::Timestamp::try_from(time).ok());
        self.takes_all_of(&object.key, Some(object.size), modified)
    }

    /// What is not known of an image does not leave it out: it is better classified than lost.
    fn takes_all_of(&self, name: &str, size: Option<u64>, modified: Option<jiff::Timestamp>) -> bool {
        let extension = Path::new(name).extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        let wanted = |extension: String| self.extensions.contains(&extension);
        (self.extensions.is_empty() || extension.is_some_and(wanted))
            && size.is_none_or(|size| self.min_bytes.is_none_or(|min| size >= min))
            && size.is_none_or(|size| self.max_bytes.is_none_or(|max| size <= max))
            && modified.is_none_or(|modified| self.since.is_none_or(|since| modified >= since))
            && modified.is_none_or(|modified| self.until.is_none_or(|until| modified < until))
    }
}

fn unusable(input: &str, reason: &str) -> BatchError {
    BatchError::Input { input: input.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(inputs: &[&str], filter: Filter) -> Result<Vec<ImageRef>, BatchError> {
        let inputs = inputs.iter().map(|input| Input::parse(input)).collect::<Result<_, _>>()?;
        let mut listing = list(inputs, filter, Sources::new(Default::default()).unwrap());
        let mut images = Vec::new();
        while let Some(image) = listing.recv().await {
            images.push(image?);
        }
        Ok(images)
    }

    fn folder() -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in
            [("b.jpg", "12"), ("a/x.PNG", "1234"), ("a/.hidden", ""), ("notes.txt", "hello"), ("a/y[1].jpg", "")]
        {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let root = dir.path().to_str().unwrap().to_owned();
        (dir, root)
    }

    fn names(images: &[ImageRef], root: &str) -> Vec<String> {
        images.iter().map(|image| image.uri.strip_prefix(root).unwrap().trim_start_matches('/').to_owned()).collect()
    }

    #[tokio::test]
    async fn folders_are_walked_in_order_without_hidden_names() {
        let (_dir, root) = folder();
        let images = all(&[&root], Filter::default()).await.unwrap();
        assert_eq!(names(&images, &root), ["a/x.PNG", "a/y[1].jpg", "b.jpg", "notes.txt"]);
        assert_eq!(images[0].size, Some(4));
        let filter = Filter { extensions: vec!["png".into(), "jpg".into()], min_bytes: Some(1), ..Filter::default() };
        assert_eq!(names(&all(&[&root], filter).await.unwrap(), &root), ["a/x.PNG", "b.jpg"]);
    }

    #[tokio::test]
    async fn globs_match_and_an_existing_name_is_no_glob() {
        let (_dir, root) = folder();
        let pattern = format!("{root}/**/*.{{jpg,PNG}}");
        let images = all(&[&pattern], Filter::default()).await.unwrap();
        assert_eq!(names(&images, &root), ["a/x.PNG", "a/y[1].jpg", "b.jpg"]);
        let literal = format!("{root}/a/y[1].jpg");
        assert_eq!(all(&[&literal], Filter::default()).await.unwrap()[0].uri, literal);
        assert!(all(&[&format!("{root}/*.gif")], Filter::default()).await.is_err());
    }

    #[tokio::test]
    async fn lists_and_tables_keep_order_doubles_and_ids() {
        let (_dir, root) = folder();
        let write = |name: &str, text: &str| {
            std::fs::write(format!("{root}/{name}"), text).unwrap();
            format!("{root}/{name}")
        };
        let list = write("list", "b.jpg\n\n a.jpg \r\nb.jpg\n");
        let images = all(&[&format!("@{list}")], Filter::default()).await.unwrap();
        assert_eq!(images.iter().map(|image| image.uri.as_str()).collect::<Vec<_>>(), ["b.jpg", "a.jpg", "b.jpg"]);
        let jsonl = write("t.jsonl", "{\"uri\":\"a\",\"id\":\"1\"}\n\n{\"uri\":\"b\"}\n");
        let csv = write("t.csv", "id,uri\n\"x,1\",a\n,b\n");
        let images = all(&[&jsonl, &csv], Filter::default()).await.unwrap();
        let ids: Vec<_> = images.iter().map(|image| (image.uri.as_str(), image.id.as_deref())).collect();
        assert_eq!(ids, [("a", Some("1")), ("b", None), ("a", Some("x,1")), ("b", None)]);
        for (name, text) in [("bad.jsonl", "{\"url\":\"a\"}\n"), ("bad.csv", "url\na\n")] {
            let error = all(&[&write(name, text)], Filter::default()).await.unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("uri"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_listed_still_gets_its_row() {
        let (_dir, root) = folder();
        std::os::unix::fs::symlink("nowhere", format!("{root}/broken.jpg")).unwrap();
        std::os::unix::fs::symlink(&root, format!("{root}/a/loop")).unwrap();
        let images = all(&[&format!("{root}/missing.jpg"), &root], Filter::default()).await.unwrap();
        let names = names(&images, &root);
        assert_eq!(names[0], "missing.jpg");
        assert!(names.contains(&"broken.jpg".to_owned()), "{names:?}");
    }

    #[test]
    fn the_identity_tells_lists_by_content_and_relative_paths_by_folder() {
        let list = |text: &str| Input::List { text: text.into(), name: "-".into() };
        let of = |inputs: &[Input]| identity(inputs, &Filter::default()).unwrap();
        assert_eq!(of(&[list("a")]), of(&[list("a")]));
        assert_ne!(of(&[list("a")]), of(&[list("b")]));
        assert_eq!(of(&[Input::File("/a".into())]).len(), 1);
        assert_eq!(of(&[Input::File("a".into())]).len(), 2);
    }
}
