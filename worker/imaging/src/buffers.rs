//! Buffers of the images before, kept by each thread: fresh memory costs a page fault every 4 KiB.

use crate::sample::Sample;

/// Most buffers of one type that a thread keeps.
const MOST: usize = 5;

/// Largest buffer that is kept, in bytes: what a reduced photo needs.
const LARGEST: usize = 4 << 20;

/// What a thread keeps.
pub(crate) type Spare<S> = Vec<Vec<S>>;

/// A buffer of `length` samples that hold anything.
pub(crate) fn take<S: Sample>(length: usize) -> Vec<S> {
    let mut buffer = spare(length);
    buffer.resize(length, S::default());
    buffer
}

/// An empty buffer with room for `capacity` bytes.
pub(crate) fn empty(capacity: usize) -> Vec<u8> {
    let mut buffer = spare(capacity);
    buffer.clear();
    buffer.reserve(capacity);
    buffer
}

/// A kept buffer with room for `capacity` samples, or a new one without room.
fn spare<S: Sample>(capacity: usize) -> Vec<S> {
    let spare = S::spare().try_with(|spare| {
        let mut spare = spare.borrow_mut();
        let fits = spare.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= capacity);
        let best = fits.min_by_key(|(_, buffer)| buffer.capacity()).map(|(number, _)| number);
        best.map(|number| spare.swap_remove(number))
    });
    spare.ok().flatten().unwrap_or_default()
}

/// Keeps a buffer for later, unless there are enough.
pub(crate) fn give<S: Sample>(buffer: Vec<S>) {
    if buffer.capacity() == 0 || buffer.capacity() * size_of::<S>() > LARGEST {
        return;
    }
    // A thread that ends keeps nothing.
    let _ = S::spare().try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() == MOST {
            spare.remove(0);
        }
        spare.push(buffer);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back() {
        let buffer = vec![7u8; 1000];
        let place = buffer.as_ptr();
        give(vec![1u8; 5000]);
        give(buffer);
        give(Vec::<u8>::with_capacity(LARGEST + 1));
        give(Vec::<u16>::with_capacity(LARGEST / 2 + 1));
        let again = take(900);
        assert_eq!((again.as_ptr(), again.len()), (place, 900));
        assert_eq!(take::<u8>(6000).len(), 6000);
        u16::spare().with(|spare| assert!(spare.borrow().is_empty()));
        for _ in 0..2 * MOST {
            give(vec![0u8; 10]);
        }
        u8::spare().with(|spare| assert_eq!(spare.borrow().len(), MOST));
    }
}
