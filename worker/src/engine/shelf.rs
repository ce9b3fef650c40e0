//! Where images lie for an engine: memory that the parent writes to and the engine reads in place.
//!
//! A pipe copies an image twice, and takes and gives back every page of it on the way. So a pipe only says where an image lies. Large
//! images, which are rare, go through the pipe: so little memory is held when there are none.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::Resource;
use serde::{Deserialize, Serialize};

/// Bytes of a place: what a photo has at most, but for a few. Only what was written to takes memory.
const ROOM: usize = 4 << 20;

/// A shelf, the parent's side.
#[derive(Debug)]
pub(super) struct Shelf {
    file: File,
    places: usize,
    /// Places where no image lies.
    free: Vec<u32>,
}

/// Bytes of so many places.
fn bytes_of(places: usize) -> u64 {
    (places * ROOM) as u64
}

/// Where an engine finds its shelf.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Address {
    path: PathBuf,
    places: usize,
}

/// Where an image lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    number: u32,
    length: u32,
}

impl Place {
    pub(super) const BYTES: usize = 8;

    pub(super) fn encode(self) -> [u8; Self::BYTES] {
        (u64::from(self.number) << 32 | u64::from(self.length)).to_le_bytes()
    }

    pub(super) fn decode(bytes: [u8; Self::BYTES]) -> Self {
        let bits = u64::from_le_bytes(bytes);
        Self { number: (bits >> 32) as u32, length: bits as u32 }
    }
}

impl Shelf {
    /// With so many places.
    pub(super) fn new(places: usize) -> io::Result<Self> {
        // A file that grows beyond this limit ends the process.
        let limit = rustix::process::getrlimit(Resource::Fsize).current;
        if limit.is_some_and(|limit| limit < bytes_of(places)) {
            return Err(io::Error::other("the limit on the size of files (RLIMIT_FSIZE) is too low"));
        }
        let file = File::from(rustix::fs::memfd_create("images", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.set_len(bytes_of(places))?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { file, places, free: (0..places as u32).collect() })
    }

    /// Bytes of all places.
    pub(super) fn most_bytes(&self) -> u64 {
        bytes_of(self.places)
    }

    /// Where another process of this user finds it.
    pub(super) fn address(&self) -> Address {
        let path = format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd());
        Address { path: path.into(), places: self.places }
    }

    /// Lays down an image, unless it is too large or no place is free.
    pub(super) fn put(&mut self, image: &[u8]) -> Option<Place> {
        if image.len() > ROOM {
            return None;
        }
        let number = self.free.pop()?;
        let place = Place { number, length: image.len() as u32 };
        if self.file.write_all_at(image, (number as usize * ROOM) as u64).is_err() {
            self.clear(place);
            return None;
        }
        Some(place)
    }

    /// Nobody needs the image any more that lies there.
    pub(super) fn clear(&mut self, place: Place) {
        debug_assert!(!self.free.contains(&place.number), "two images would lie in one place");
        self.free.push(place.number);
    }
}

/// A shelf, the engine's side.
pub(super) struct View {
    start: NonNull<u8>,
    places: usize,
}

// SAFETY: it only reads memory that stays mapped as long as it lives.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    /// Of the shelf at `address`.
    pub(super) fn open(address: &Address) -> io::Result<Self> {
        let file = File::open(&address.path)?;
        let bytes = address.places * ROOM;
        let seals = rustix::fs::fcntl_get_seals(&file)?;
        if !seals.contains(SealFlags::SHRINK) || file.metadata()?.len() != bytes as u64 {
            return Err(io::Error::other("what lies there is no shelf of so many places"));
        }
        // SAFETY: a mapping at an address of the kernel's choice replaces nothing.
        let start =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, &file, 0)? };
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("nothing was mapped"))?;
        Ok(Self { start, places: address.places })
    }

    /// The image at a place; the parent clears it only when it was told what became of the image.
    pub(super) fn image(&self, place: Place) -> io::Result<&[u8]> {
        let (number, length) = (place.number as usize, place.length as usize);
        if number >= self.places || length > ROOM {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a place that the shelf does not have"));
        }
        // SAFETY: the place is within what is mapped until this ends, and the file is sealed, so it cannot become shorter. The parent writes
        // to no place where an image lies that was not answered.
        Ok(unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(number * ROOM), length) })
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no image that was borrowed from it is left.
        let _unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.places * ROOM) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_lies_where_it_was_put_until_it_is_cleared() {
        let mut shelf = Shelf::new(2).unwrap();
        let view = View::open(&shelf.address()).unwrap();
        let (first, second) = (shelf.put(b"first").unwrap(), shelf.put(&vec![7; ROOM]).unwrap());
        assert_eq!(view.image(first).unwrap(), b"first");
        assert_eq!(view.image(second).unwrap(), vec![7; ROOM]);
        assert_eq!(shelf.put(b"third"), None);
        shelf.clear(first);
        let third = shelf.put(b"3").unwrap();
        assert_eq!((view.image(third).unwrap(), view.image(second).unwrap()[ROOM - 1]), (&b"3"[..], 7));
        shelf.clear(second);
        assert_eq!(shelf.put(&vec![0; ROOM + 1]), None, "too large");
        assert_eq!(Place::decode(third.encode()), third);
    }

    #[test]
    fn a_place_that_is_none_is_refused() {
        let shelf = Shelf::new(1).unwrap();
        let view = View::open(&shelf.address()).unwrap();
        for place in [Place { number: 1, length: 1 }, Place { number: 0, length: ROOM as u32 + 1 }] {
            assert!(view.image(place).is_err());
        }
        assert!(View::open(&Address { places: 2, ..shelf.address() }).is_err());
        // As large, but nobody keeps it from becoming shorter.
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(ROOM as u64).unwrap();
        assert!(View::open(&Address { path: file.path().into(), places: 1 }).is_err());
    }
}
