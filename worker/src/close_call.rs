//! Close calls: images of which a decode at reduced scale does not tell the best class.
//!
//! It differs by a tenth of a level from a full decode. That moves most scores by less than a hundredth, and changes the best class
//! only where the second one is nearly as good. Such images, some three of a hundred, are decoded once more, in full: then the best
//! class is that of the full decode (docs/adr/0002-jpeg-decoder.md).

use std::time::Duration;

/// The best score is less than so many times the second.
const RATIO: f32 = 1.07;

/// Where no class has this score, the model says nothing, and what it says first does not matter.
const LEAST: f32 = 0.05;

/// Most bytes for a full decode that nobody asked for: 45 megapixels that count, at 4:2:0.
const MOST_BYTES: u64 = 64 << 20;

/// What a close call may take: an engine that runs out of memory or time ends, and with it the answer that there is already.
///
/// Decided for all images alike and not by what is free at the moment: an image has the same row again, whatever is classified beside it.
pub(crate) struct CloseCalls {
    most_bytes: u64,
    most_time: Duration,
}

impl CloseCalls {
    /// For a thread that may use so much memory, if anybody knows, with so much time for an image.
    pub fn new(memory: Option<u64>, image_timeout: Duration) -> Self {
        // The model and the first decode, of another image perhaps, are in the other quarters.
        let most_bytes = memory.map_or(MOST_BYTES, |memory| MOST_BYTES.min(memory / 4));
        // A full decode takes two or three times as long as one at reduced scale.
        Self { most_bytes, most_time: image_timeout / 4 }
    }

    /// Whether an image is to be decoded in full, which holds so many bytes, after these scores of its reduced decode, which took so
    /// long. Never if that was a full one.
    pub fn include(&self, scores: &[f32], bytes_in_full: Option<u64>, took: Duration) -> bool {
        let (mut best, mut second) = (0.0_f32, 0.0_f32);
        for &score in scores {
            second = second.max(score.min(best));
            best = best.max(score);
        }
        let is_close = best >= LEAST && best < RATIO * second;
        is_close && bytes_in_full.is_some_and(|bytes| bytes <= self.most_bytes) && took <= self.most_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_two_best_scores_decide() {
        let close_calls = CloseCalls::new(None, SECOND);
        let is_close = |scores: &[f32]| close_calls.include(scores, Some(1), Duration::ZERO);
        assert!(is_close(&[0.1, 0.44, 0.03, 0.43]) && is_close(&[0.43, 0.1, 0.44]) && is_close(&[0.5, 0.5]));
        assert!(!is_close(&[0.1, 0.47, 0.43]) && !is_close(&[1.0]) && !is_close(&[]));
        assert!(!is_close(&[0.02; 50]), "every class is as good as another");
    }

    #[test]
    fn only_a_reduced_decode_is_done_again_and_only_if_memory_and_time_allow() {
        let include = |memory, bytes, took| CloseCalls::new(memory, 4 * SECOND).include(&[0.5, 0.5], bytes, took);
        assert!(!include(None, None, SECOND), "it was a full one");
        assert!(include(None, Some(MOST_BYTES), SECOND));
        assert!(!include(None, Some(MOST_BYTES + 1), SECOND));
        assert!(!include(None, Some(MOST_BYTES), SECOND + Duration::from_millis(1)));
        assert!(include(Some(4000), Some(1000), SECOND) && !include(Some(4000), Some(1001), SECOND));
        assert!(!include(Some(u64::MAX), Some(MOST_BYTES + 1), SECOND));
    }
}
