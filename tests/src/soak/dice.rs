//! Chance that can be repeated.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(super) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    pub(super) fn seconds(&mut self, from: u64, to: u64) -> Duration {
        self.millis(1000 * from, 1000 * to)
    }

    /// One of `choices`, each as often as its weight says.
    pub(super) fn choose<T: Copy>(&mut self, choices: &[T], weight: impl Fn(T) -> u64) -> T {
        let mut at = self.below(choices.iter().map(|choice| weight(*choice)).sum());
        for choice in choices {
            match at.checked_sub(weight(*choice)) {
                Some(rest) => at = rest,
                None => return *choice,
            }
        }
        choices[0]
    }
}
