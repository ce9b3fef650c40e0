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

/// The same where so many threads share so much memory: the model, and first decodes of other images, need more of it.
///
/// By what is allowed, and not by what is free at the moment: so an image has the same row again, whatever is classified beside it.
pub(crate) fn most_bytes(memory: Option<u64>, threads: usize) -> u64 {
    memory.map_or(MOST_BYTES, |memory| MOST_BYTES.min(memory / threads as u64 / 8))
}

/// What a close call may take. An engine that runs out of memory or time ends, and with it the answer that there is already.
pub(crate) struct CloseCalls {
    most_bytes: u64,
    most_time: Duration,
}

impl CloseCalls {
    /// Whatever they take.
    pub const ALL: Self = Self { most_bytes: MOST_BYTES, most_time: Duration::MAX };

    /// With so many bytes for the full decode at most, and so much time for an image in all.
    pub fn new(most_bytes: u64, image_timeout: Duration) -> Self {
        // A full decode takes three times as long as one at reduced scale; what it takes beside others, nobody knows.
        Self { most_bytes: most_bytes.min(MOST_BYTES), most_time: image_timeout / 8 }
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

    #[test]
    fn the_two_best_scores_decide() {
        let is_close = |scores: &[f32]| CloseCalls::ALL.include(scores, Some(1), Duration::from_secs(1));
        assert!(is_close(&[0.1, 0.44, 0.03, 0.43]) && is_close(&[0.43, 0.1, 0.44]) && is_close(&[0.5, 0.5]));
        assert!(!is_close(&[0.1, 0.47, 0.43]) && !is_close(&[1.0]) && !is_close(&[]));
        assert!(!is_close(&[0.02; 50]), "every class is as good as another");
    }

    #[test]
    fn only_a_reduced_decode_is_done_again_and_only_if_memory_and_time_allow() {
        let close_calls = CloseCalls::new(1000, Duration::from_secs(8));
        let include =
            |bytes, milliseconds| close_calls.include(&[0.5, 0.5], bytes, Duration::from_millis(milliseconds));
        assert!(include(Some(1000), 1000));
        assert!(!include(None, 1000), "it was a full one");
        assert!(!include(Some(1001), 1000) && !include(Some(1000), 1001));
    }

    #[test]
    fn threads_share_what_is_allowed() {
        assert_eq!(most_bytes(Some(8 << 20), 1), 1 << 20);
        assert_eq!(most_bytes(Some(8 << 20), 4), 1 << 18);
        assert_eq!([most_bytes(None, 4), most_bytes(Some(u64::MAX), 4)], [MOST_BYTES; 2]);
    }
}
