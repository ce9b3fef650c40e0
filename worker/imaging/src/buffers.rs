//! Memory of the images before, kept by each thread: fresh memory costs a page fault every 4 KiB, and clearing it the time of a pass.

use std::ops::{Deref, DerefMut};

use crate::sample::Sample;

/// Most pieces of memory for one type that a thread keeps.
const MOST: usize = 5;

/// The largest that is kept, in bytes: what a reduced photo needs.
pub(crate) const LARGEST: usize = 4 << 20;

/// What a thread keeps.
pub(crate) type Spare<S> = Vec<Vec<S>>;

/// Samples, in memory that goes back to the thread.
#[derive(Default)]
pub(crate) struct Buffer<S: Sample> {
    memory: Vec<S>,
    /// How many samples are in use.
    length: usize,
}

impl<S: Sample> Buffer<S> {
    /// So many samples, which hold anything.
    pub fn new(length: usize) -> Self {
        let memory = spare(length).unwrap_or_else(|| vec![S::default(); length]);
        #[cfg(test)]
        let memory = spoilt::spoil(memory);
        Self { memory, length }
    }
}

/// For tests, memory that holds what a test wants: nothing of it may show.
#[cfg(test)]
pub(crate) mod spoilt {
    use std::cell::Cell;

    use crate::sample::Sample;

    thread_local! { static WITH: Cell<Option<u8>> = const { Cell::new(None) } }

    /// What the thread's next buffers hold.
    pub fn with(value: u8) {
        WITH.set(Some(value));
    }

    pub fn spoil<S: Sample>(mut memory: Vec<S>) -> Vec<S> {
        if let Some(value) = WITH.get() {
            memory.fill(S::of(value.into()));
        }
        memory
    }
}

impl<S: Sample> From<Vec<S>> for Buffer<S> {
    fn from(memory: Vec<S>) -> Self {
        Self { length: memory.len(), memory }
    }
}

impl<S: Sample> Deref for Buffer<S> {
    type Target = [S];

    fn deref(&self) -> &[S] {
        &self.memory[..self.length]
    }
}

impl<S: Sample> DerefMut for Buffer<S> {
    fn deref_mut(&mut self) -> &mut [S] {
        &mut self.memory[..self.length]
    }
}

impl<S: Sample> Clone for Buffer<S> {
    fn clone(&self) -> Self {
        self.to_vec().into()
    }
}

impl<S: Sample> PartialEq for Buffer<S> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<S: Sample> std::fmt::Debug for Buffer<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl<S: Sample> Drop for Buffer<S> {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.memory));
    }
}

/// The smallest kept memory that has so many samples. Where all of it has fewer, the largest is given up for what is taken: so there are no
/// more pieces than were in use at a time. For what is too large to be kept, too: then the memory is needed more than the time of a page fault
/// (full decodes of 12 megapixels between others: 10 MB a thread, and not slower).
fn spare<S: Sample>(length: usize) -> Option<Vec<S>> {
    let spare = S::spare().try_with(|spare| {
        let mut spare = spare.borrow_mut();
        let fits = spare.iter().enumerate().filter(|(_, memory)| memory.len() >= length);
        if let Some((best, _)) = fits.min_by_key(|(_, memory)| memory.len()) {
            return Some(spare.swap_remove(best));
        }
        let largest = spare.iter().enumerate().max_by_key(|(_, memory)| memory.len());
        if let Some((largest, _)) = largest {
            spare.swap_remove(largest);
        }
        None
    });
    spare.ok().flatten()
}

/// Keeps memory for later, instead of what was given first if there is enough.
fn give<S: Sample>(memory: Vec<S>) {
    if memory.is_empty() || memory.len() * size_of::<S>() > LARGEST {
        return;
    }
    // A thread that ends keeps nothing.
    let _ = S::spare().try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() == MOST {
            spare.remove(0);
        }
        spare.push(memory);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back() {
        let buffer = Buffer::from(vec![7u8; 1000]);
        let place = buffer.as_ptr();
        drop(Buffer::from(vec![1u8; 5000]));
        drop(buffer);
        drop(Buffer::from(vec![0u8; LARGEST + 1]));
        drop(Buffer::from(vec![0u16; LARGEST / 2 + 1]));
        for length in [900, 1000] {
            let again = Buffer::<u8>::new(length);
            assert_eq!((again.as_ptr(), &again[..]), (place, &vec![7; length][..]));
        }
        let all = || u8::spare().with(|spare| spare.borrow().iter().map(Vec::len).sum::<usize>());
        assert_eq!(all(), 6000);
        assert_eq!(Buffer::<u8>::new(7000).len(), 7000);
        assert_eq!(all(), 8000, "the largest is replaced by a larger one");
        drop(Buffer::<u8>::new(LARGEST + 1));
        assert_eq!(all(), 1000, "and gives way to one that is not kept");
        u16::spare().with(|spare| assert!(spare.borrow().is_empty()));
        for _ in 0..2 * MOST {
            drop(Buffer::from(vec![0u8; 10]));
        }
        let kept: Vec<_> = (0..2 * MOST).map(|_| Buffer::from(vec![0u8; 10])).collect();
        drop(kept);
        u8::spare().with(|spare| assert_eq!(spare.borrow().len(), MOST));
    }
}
