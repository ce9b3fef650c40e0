//! What is counted: values that any thread changes at any time, without waiting.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Goes up only.
#[derive(Default)]
pub struct Counter(AtomicU64);

/// Goes up and down.
#[derive(Default)]
pub struct Gauge(AtomicI64);

/// One counter per member of a closed set.
pub struct Counters<const N: usize>([Counter; N]);

/// How long something took, in classes.
pub struct Histogram {
    /// How many took at most as long as the bound of the same place, and longer than the bound before; the last place is
    /// for all that took longer.
    counts: [AtomicU64; Histogram::BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// From now on this value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, until the guard is dropped.
    pub fn raised(&self) -> Raised<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Raised(self)
    }
}

/// Holds a gauge one higher.
pub struct Raised<'a>(&'a Gauge);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl<const N: usize> Counters<N> {
    /// The counter of the member at this place of its set.
    pub fn of(&self, place: usize) -> &Counter {
        &self.0[place]
    }
}

impl Histogram {
    /// Upper bounds of the classes in seconds: from a cached fetch to a store that is out for minutes.
    pub const BOUNDS: [f64; 14] =
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

    /// Takes one duration into account.
    pub fn record(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let class = Self::BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(Self::BOUNDS.len());
        self.counts[class].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    /// For each bound how many took at most so long; the last number is that of all.
    pub fn cumulative(&self) -> [u64; Self::BOUNDS.len() + 1] {
        let mut sum = 0;
        std::array::from_fn(|class| {
            sum += self.counts[class].load(Ordering::Relaxed);
            sum
        })
    }

    /// The sum of all durations in seconds.
    pub fn seconds(&self) -> f64 {
        self.microseconds.load(Ordering::Relaxed) as f64 / 1e6
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), microseconds: AtomicU64::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_classes_and_the_last_number_is_that_of_all() {
        let histogram = Histogram::default();
        for milliseconds in [0, 1, 2, 100, 10_000, 3_600_000] {
            histogram.record(Duration::from_millis(milliseconds));
        }
        assert_eq!(histogram.cumulative(), [2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 6]);
        assert_eq!(histogram.seconds(), 3610.103);
    }

    #[test]
    fn a_gauge_falls_when_its_guard_is_dropped() {
        let gauge = Gauge::default();
        let guards = [gauge.raised(), gauge.raised()];
        assert_eq!(gauge.get(), 2);
        drop(guards);
        assert_eq!(gauge.get(), 0);
    }
}
