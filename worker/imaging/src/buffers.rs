//! Buffers of the images before, kept by each thread: fresh memory costs a page fault every 4 KiB.

use std::cell::RefCell;

/// Most buffers a thread keeps.
const MOST: usize = 5;

/// Largest buffer that is kept, in bytes: what a reduced photo needs.
const LARGEST: usize = 4 << 20;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of `length` bytes that hold anything.
pub(crate) fn take(length: usize) -> Vec<u8> {
    let mut buffer = spare(length);
    buffer.resize(length, 0);
    buffer
}

/// An empty buffer with room for `capacity` bytes.
pub(crate) fn empty(capacity: usize) -> Vec<u8> {
    let mut buffer = spare(capacity);
    buffer.clear();
    buffer.reserve(capacity);
    buffer
}

/// A kept buffer with room for `capacity` bytes, or a new one without room.
fn spare(capacity: usize) -> Vec<u8> {
    let spare = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        let fits = spare.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= capacity);
        let best = fits.min_by_key(|(_, buffer)| buffer.capacity()).map(|(number, _)| number);
        best.map(|number| spare.swap_remove(number))
    });
    spare.ok().flatten().unwrap_or_default()
}

/// Keeps a buffer for later, unless there are enough.
pub(crate) fn give(buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > LARGEST {
        return;
    }
    // A thread that ends keeps nothing.
    let _ = SPARE.try_with(|spare| {
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
        let buffer = vec![7; 1000];
        let place = buffer.as_ptr();
        give(vec![1; 5000]);
        give(buffer);
        give(Vec::with_capacity(LARGEST + 1));
        let again = take(900);
        assert_eq!((again.as_ptr(), again.len()), (place, 900));
        assert_eq!(take(6000).len(), 6000);
        for _ in 0..2 * MOST {
            give(vec![0; 10]);
        }
        SPARE.with(|spare| assert_eq!(spare.borrow().len(), MOST));
    }
}
