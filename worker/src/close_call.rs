//! Close calls: images of which a decode at reduced scale does not tell the best class.
//!
//! It differs by a tenth of a level from a full decode. That changes most scores by less than a hundredth, and the best class
//! where the second one is as close. Such images, some three of a hundred, are decoded once more, in full: then the best class is that of
//! the full decode (docs/adr/0002-jpeg-decoder.md).

use std::hint::black_box;

/// The best score is less than so many times the second.
const RATIO: f32 = 1.07;

/// Where no class has this score, the model says nothing, and what it says first does not matter.
const LEAST: f32 = 0.05;

/// Most bytes for a full decode that nobody asked for: 45 megapixels that count, at 4:2:0.
const MOST_BYTES: u64 = 64 << 20;

/// Whether an image is to be decoded in full, which holds so many bytes, after these scores of its reduced decode. Never if that was a
/// full one.
pub(crate) fn is_close_call(scores: &[f32], bytes_in_full: Option<u64>) -> bool {
    let (mut best, mut second) = (0.0_f32, 0.0_f32);
    for &score in scores {
        second = second.max(score.min(best));
        best = best.max(score);
    }
    best >= LEAST && best < RATIO * second && bytes_in_full.is_some_and(has_room)
}

/// Whether there is memory for a full decode. An engine that runs out of it ends, and with it the answer that there is already.
fn has_room(bytes: u64) -> bool {
    let mut memory = Vec::<u8>::new();
    // The compiler would leave out a reservation that nobody sees.
    bytes <= MOST_BYTES && memory.try_reserve_exact(bytes as usize).is_ok() && black_box(memory).capacity() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_best_scores_decide() {
        let is_close = |scores: &[f32]| is_close_call(scores, Some(1));
        assert!(is_close(&[0.1, 0.44, 0.03, 0.43]) && is_close(&[0.43, 0.1, 0.44]) && is_close(&[0.5, 0.5]));
        assert!(!is_close(&[0.1, 0.47, 0.43]) && !is_close(&[1.0]) && !is_close(&[]));
        assert!(!is_close(&[0.02; 50]), "every class is as good as another");
    }

    #[test]
    fn only_a_reduced_decode_is_done_again_and_only_if_that_takes_little_memory() {
        let is_close = |bytes| is_close_call(&[0.5, 0.5], bytes);
        assert!(is_close(Some(MOST_BYTES)));
        assert!(!is_close(Some(MOST_BYTES + 1)) && !is_close(None));
    }
}
