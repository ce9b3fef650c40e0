//! How fast a batch goes, from one look to the next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The rate is that of the last minute: a batch whose workers come and go has no other.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts with their times.
#[derive(Default)]
pub(super) struct Pace(VecDeque<(Instant, u64)>);

impl Pace {
    /// Notes that `images` are done now.
    pub(super) fn note(&mut self, images: u64) {
        self.note_at(Instant::now(), images);
    }

    fn note_at(&mut self, now: Instant, images: u64) {
        self.0.push_back((now, images));
        // One sample older than the window stays, so that the window is full.
        while self.0.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.0.pop_front();
        }
    }

    /// Images per second; none before the second look.
    pub(super) fn rate(&self) -> Option<f64> {
        let ((from, first), (to, last)) = (self.0.front()?, self.0.back()?);
        let seconds = to.duration_since(*from).as_secs_f64();
        (seconds > 0.0).then(|| last.saturating_sub(*first) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_minute_counts() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.note_at(start, 100);
        assert_eq!(pace.rate(), None);
        pace.note_at(start + Duration::from_secs(10), 200);
        assert_eq!(pace.rate(), Some(10.0));
        pace.note_at(start + Duration::from_secs(70), 200);
        pace.note_at(start + Duration::from_secs(80), 260);
        assert_eq!(pace.rate(), Some(60.0 / 70.0));
    }
}
