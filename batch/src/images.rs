//! The image files of a batch: written once, named by their digest, read by ranges.

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::Mutex;

use bytes::Bytes;
use models::Digest;
use serde::{Deserialize, Serialize};
use store::Store;
use tempfile::SpooledTempFile;

use crate::error::BatchError;
use crate::image::ImageRef;
use crate::layout::Layout;
use crate::manifest::Manifest;

/// Most images of one file.
pub const IMAGES_PER_FILE: u64 = 1_000_000;

/// Every so many lines the manifest knows a byte offset, so that a task reads a block and not the whole file.
const LINES_PER_BLOCK: u64 = 4096;
/// A list that fits into this stays in memory, larger ones wait on the local disk for their digest.
const SPOOL_IN_MEMORY: usize = 8 << 20;
/// Pieces in which a file goes into the store.
const COPY_BYTES: usize = 1 << 20;
/// Blocks kept by a reader: neighbouring tasks lie in the same one.
const KEPT_BLOCKS: usize = 4;

/// One image file, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFile {
    /// `images/<sha256>.jsonl`.
    pub file: String,
    /// Images in it: one a line.
    pub count: u64,
    /// Its size.
    pub bytes: u64,
    /// Where line 0, 4096, 8192, … begin.
    pub offsets: Vec<u64>,
}

impl ImageFile {
    pub(crate) fn validate_all(files: &[Self]) -> Result<(), &'static str> {
        let last = files.len().saturating_sub(1);
        for (at, file) in files.iter().enumerate() {
            if file.digest().is_none() {
                return Err("an image file is not named images/<sha256>.jsonl");
            }
            let full = file.count == IMAGES_PER_FILE || at == last;
            if file.count == 0 || file.count > IMAGES_PER_FILE || !full {
                return Err("all image files but the last must hold exactly 1,000,000 images");
            }
            if file.offsets.len() as u64 != file.count.div_ceil(LINES_PER_BLOCK) || !file.offsets.is_sorted() {
                return Err("the offsets of an image file do not fit its count");
            }
        }
        Ok(())
    }

    /// The digest that its name states.
    pub fn digest(&self) -> Option<Digest> {
        self.file.strip_prefix("images/")?.strip_suffix(".jsonl")?.parse().ok()
    }

    fn block(&self, block: u64) -> Option<Range<u64>> {
        let at = usize::try_from(block).ok()?;
        let end = self.offsets.get(at + 1).copied().unwrap_or(self.bytes);
        Some(*self.offsets.get(at)?..end)
    }
}

/// Writes the images of a new batch into its store, in bounded memory.
pub struct ImageListWriter<'a> {
    store: &'a Store,
    layout: &'a Layout,
    spool: SpooledTempFile,
    open: ImageFile,
    done: Vec<ImageFile>,
}

impl<'a> ImageListWriter<'a> {
    /// An empty list.
    pub fn new(store: &'a Store, layout: &'a Layout) -> Self {
        Self { store, layout, spool: SpooledTempFile::new(SPOOL_IN_MEMORY), open: empty_file(), done: Vec::new() }
    }

    /// Appends an image.
    pub async fn push(&mut self, image: &ImageRef) -> Result<(), BatchError> {
        image.validate()?;
        let failed = BatchError::local("writing the image list to a temporary file");
        let mut line = serde_json::to_vec(image).map_err(|error| failed(&error))?;
        line.push(b'\n');
        if self.open.count.is_multiple_of(LINES_PER_BLOCK) {
            self.open.offsets.push(self.open.bytes);
        }
        self.spool.write_all(&line).map_err(|error| failed(&error))?;
        self.open.bytes += line.len() as u64;
        self.open.count += 1;
        if self.open.count == IMAGES_PER_FILE { self.seal().await } else { Ok(()) }
    }

    /// Images so far.
    pub fn count(&self) -> u64 {
        self.done.iter().map(|file| file.count).sum::<u64>() + self.open.count
    }

    /// Stores what is left; the files for the manifest.
    pub async fn finish(mut self) -> Result<Vec<ImageFile>, BatchError> {
        if self.open.count > 0 {
            self.seal().await?;
        }
        Ok(self.done)
    }

    /// Stores the open file under its digest. Equal content under the same name may be there already.
    async fn seal(&mut self) -> Result<(), BatchError> {
        let failed = BatchError::local("reading the image list back from a temporary file");
        self.spool.seek(SeekFrom::Start(0)).map_err(|error| failed(&error))?;
        let digest = Digest::of_reader(&mut self.spool).map_err(|error| failed(&error))?;
        self.spool.seek(SeekFrom::Start(0)).map_err(|error| failed(&error))?;
        let mut file = std::mem::replace(&mut self.open, empty_file());
        file.file = format!("images/{digest}.jsonl");
        let key = self.layout.images(&file.file)?;
        if self.store.head(&key).await?.is_none() {
            let mut writer = self.store.create_stream(&key).await?;
            loop {
                let mut piece = Vec::with_capacity(COPY_BYTES);
                let taken = Read::by_ref(&mut self.spool).take(COPY_BYTES as u64).read_to_end(&mut piece);
                if taken.map_err(|error| failed(&error))? == 0 {
                    break;
                }
                writer.write(piece.into()).await?;
            }
            writer.finish().await?;
        }
        self.spool = SpooledTempFile::new(SPOOL_IN_MEMORY);
        self.done.push(file);
        Ok(())
    }
}

fn empty_file() -> ImageFile {
    ImageFile { file: String::new(), count: 0, bytes: 0, offsets: Vec::new() }
}

/// Reads the images of a stored batch, a block at a time.
pub struct ImageList {
    store: Store,
    layout: Layout,
    files: Vec<ImageFile>,
    recent: Mutex<Vec<((usize, u64), Bytes)>>,
}

impl ImageList {
    /// The images that `manifest` lists.
    pub fn new(store: Store, layout: Layout, manifest: &Manifest) -> Self {
        Self { store, layout, files: manifest.images.clone(), recent: Mutex::new(Vec::new()) }
    }

    /// The images of `range`, by their index in the batch.
    pub async fn read(&self, range: Range<u64>) -> Result<Vec<ImageRef>, BatchError> {
        let mut images = Vec::with_capacity((range.end - range.start) as usize);
        let mut at = range.start;
        while at < range.end {
            let (file, line) = ((at / IMAGES_PER_FILE) as usize, at % IMAGES_PER_FILE);
            let block = line / LINES_PER_BLOCK;
            let first_of_block = at - line % LINES_PER_BLOCK;
            let text = self.block(file, block).await?;
            let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let wanted = (at - first_of_block) as usize..(range.end - first_of_block).min(LINES_PER_BLOCK) as usize;
            let before = images.len();
            for line in lines.take(wanted.end).skip(wanted.start) {
                images.push(serde_json::from_slice(line).map_err(|error| self.damaged(file, &error))?);
            }
            if images.len() == before {
                return Err(self.damaged(file, &"it has fewer lines than the manifest says"));
            }
            at += (images.len() - before) as u64;
        }
        Ok(images)
    }

    async fn block(&self, file: usize, block: u64) -> Result<Bytes, BatchError> {
        let wanted = (file, block);
        if let Some(text) =
            self.recent(|recent| recent.iter().find(|(at, _)| *at == wanted).map(|(_, text)| text.clone()))
        {
            return Ok(text);
        }
        let range = self.files.get(file).and_then(|file| file.block(block));
        let range = range.ok_or_else(|| self.damaged(file, &"the manifest lists no such line"))?;
        let key = self.key(file)?;
        let text = self.store.get_range(&key, range).await?;
        let text = text.ok_or_else(|| BatchError::damaged(&key, "it is missing"))?;
        self.recent(|recent| {
            if recent.len() == KEPT_BLOCKS {
                recent.remove(0);
            }
            recent.push((wanted, text.clone()));
        });
        Ok(text)
    }

    /// Reads every image file once and compares its digest and its number of lines with the manifest.
    pub async fn verify(&self) -> Result<(), BatchError> {
        use sha2::Digest as _;
        for (at, file) in self.files.iter().enumerate() {
            let key = self.key(at)?;
            let reader = self.store.reader(&key).await?;
            let mut reader = reader.ok_or_else(|| BatchError::damaged(&key, "it is missing"))?;
            let (mut hasher, mut lines) = (sha2::Sha256::new(), 0);
            while let Some(chunk) = reader.chunk().await? {
                hasher.update(&chunk);
                lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
            let found: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            if file.digest().is_none_or(|digest| digest.to_string() != found) {
                return Err(BatchError::damaged(&key, format!("its SHA-256 is {found}")));
            }
            if lines != file.count {
                return Err(BatchError::damaged(
                    &key,
                    format!("it has {lines} lines, the manifest says {}", file.count),
                ));
            }
        }
        Ok(())
    }

    fn recent<T>(&self, look: impl FnOnce(&mut Vec<((usize, u64), Bytes)>) -> T) -> T {
        look(&mut self.recent.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn key(&self, file: usize) -> Result<store::Key, BatchError> {
        let name = self.files.get(file).map_or("images", |file| &file.file);
        Ok(self.layout.images(name)?)
    }

    fn damaged(&self, file: usize, reason: &dyn std::fmt::Display) -> BatchError {
        match self.key(file) {
            Ok(key) => BatchError::damaged(&key, reason),
            Err(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::manifest;

    #[tokio::test]
    async fn any_range_reads_back_across_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().to_str().unwrap()).await.unwrap();
        let layout = Layout::alone();
        let image = |at: u64| ImageRef {
            id: Some(at.to_string()),
            ..ImageRef::new(format!("ä\n{}", "x".repeat(at as usize % 9)))
        };
        let count = 2 * LINES_PER_BLOCK + 10;
        let mut writer = ImageListWriter::new(&store, &layout);
        for at in 0..count {
            writer.push(&image(at)).await.unwrap();
        }
        let images = writer.finish().await.unwrap();
        assert_eq!(images[0].offsets.len(), 3);
        let list = ImageList::new(store, layout, &Manifest { images, ..manifest(0, 64) });
        list.verify().await.unwrap();
        for range in [0..1, 4090..4100, 0..count, count - 1..count, 5..5] {
            let expected: Vec<_> = range.clone().map(image).collect();
            assert_eq!(list.read(range.clone()).await.unwrap(), expected, "{range:?}");
        }
        assert!(list.read(count - 1..count + 1).await.is_err());
    }

    #[tokio::test]
    async fn a_changed_file_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().to_str().unwrap()).await.unwrap();
        let layout = Layout::alone();
        let mut writer = ImageListWriter::new(&store, &layout);
        writer.push(&ImageRef::new("a.jpg")).await.unwrap();
        let images = writer.finish().await.unwrap();
        let path = dir.path().join(&images[0].file);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "{\"uri\":\"b.jpg\"}\n").unwrap();
        let list = ImageList::new(store, layout, &Manifest { images, ..manifest(0, 64) });
        assert!(matches!(list.verify().await, Err(BatchError::Damaged { .. })));
    }
}
