//! When to try again: the delays of a bounded exponential backoff with full jitter. The only place of the crate
//! `backoff`.

use std::time::{Duration, Instant};

use backoff::backoff::Backoff;
use backoff::exponential::ExponentialBackoff;
use backoff::{Clock, SystemClock};

/// How often, how fast and how long to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Upper bound of the first delay.
    pub first: Duration,
    /// Upper bound of every delay.
    pub longest: Duration,
    /// When to stop.
    pub limit: Limit,
}

/// The end of trying; there is no policy without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most this many attempts, the first included (0 counts as 1).
    Attempts(u32),
    /// No attempt begins later than this after the first one began.
    Elapsed(Duration),
}

impl Policy {
    /// Retries for at most `time`, with delays of up to 200 ms at first and of up to 5 s later.
    pub const fn for_at_most(time: Duration) -> Policy {
        Policy { first: Duration::from_millis(200), longest: Duration::from_secs(5), limit: Limit::Elapsed(time) }
    }

    /// At most `attempts` attempts, with delays of up to 200 ms at first and of up to 5 s later.
    pub const fn attempts(attempts: u32) -> Policy {
        Policy { first: Duration::from_millis(200), longest: Duration::from_secs(5), limit: Limit::Attempts(attempts) }
    }

    /// The delays of this policy; its time starts now.
    pub fn schedule(self) -> Schedule {
        Schedule(Delays::new(self, SystemClock::default()))
    }
}

/// The delays between attempts: one for each retry that is still allowed. Made by [`Policy::schedule`].
#[derive(Debug)]
pub struct Schedule(Delays<SystemClock>);

impl Schedule {
    /// Starts from the first delay and with the full limit again, after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    /// The delay before the next attempt, or `None` when the limit is reached.
    fn next(&mut self) -> Option<Duration> {
        self.0.next()
    }
}

/// Generic over the clock, so that tests need not wait.
#[derive(Debug)]
struct Delays<C> {
    backoff: ExponentialBackoff<C>,
    retries: u32,
    limit: Limit,
}

impl<C: Clock> Delays<C> {
    fn new(policy: Policy, clock: C) -> Delays<C> {
        // A randomization factor of 1 spreads each delay over [0, 2 · interval]: with half the interval that is full
        // jitter.
        let start_time: Instant = clock.now();
        let backoff = ExponentialBackoff {
            current_interval: policy.first / 2,
            initial_interval: policy.first / 2,
            randomization_factor: 1.0,
            multiplier: 2.0,
            max_interval: policy.longest / 2,
            start_time,
            max_elapsed_time: match policy.limit {
                Limit::Elapsed(time) => Some(time),
                Limit::Attempts(_) => None,
            },
            clock,
        };
        Delays { backoff, retries: 0, limit: policy.limit }
    }

    fn reset(&mut self) {
        self.retries = 0;
        self.backoff.reset();
    }

    fn next(&mut self) -> Option<Duration> {
        if let Limit::Attempts(attempts) = self.limit
            && self.retries.saturating_add(1) >= attempts
        {
            return None;
        }
        self.retries = self.retries.saturating_add(1);
        let delay = self.backoff.next_backoff()?;
        // Rounding inside the crate may exceed the bound by a nanosecond.
        Some(delay.min(self.backoff.max_interval * 2))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone)]
    struct Fake(Instant, Rc<Cell<Duration>>);

    impl Clock for Fake {
        fn now(&self) -> Instant {
            self.0 + self.1.get()
        }
    }

    fn fake() -> (Fake, Rc<Cell<Duration>>) {
        let passed = Rc::new(Cell::new(Duration::ZERO));
        (Fake(Instant::now(), passed.clone()), passed)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn delays_stay_below_a_doubling_bound() {
        let policy = Policy { first: SECOND, longest: 8 * SECOND, limit: Limit::Attempts(12) };
        for _ in 0..200 {
            let (clock, _) = fake();
            let mut delays = Delays::new(policy, clock);
            for bound in [1, 2, 4, 8, 8, 8, 8, 8, 8, 8, 8] {
                let delay = delays.next().expect("eleven retries follow the first attempt");
                assert!(delay <= bound * SECOND + Duration::from_nanos(1), "{delay:?} exceeds {bound} s");
            }
            assert_eq!(delays.next(), None);
        }
    }

    #[test]
    fn jitter_covers_the_whole_range() {
        let policy = Policy { first: SECOND, longest: SECOND, limit: Limit::Attempts(1001) };
        let (clock, _) = fake();
        let mut delays = Delays::new(policy, clock);
        let all: Vec<Duration> = std::iter::from_fn(|| delays.next()).collect();
        assert_eq!(all.len(), 1000);
        assert!(all.iter().min().expect("not empty") < &Duration::from_millis(50));
        assert!(all.iter().max().expect("not empty") > &Duration::from_millis(950));
    }

    #[test]
    fn the_time_limit_ends_it() {
        let policy = Policy { first: SECOND, longest: 4 * SECOND, limit: Limit::Elapsed(60 * SECOND) };
        let (clock, passed) = fake();
        let mut delays = Delays::new(policy, clock);
        while let Some(delay) = delays.next() {
            passed.set(passed.get() + delay + SECOND);
            assert!(passed.get() <= 62 * SECOND, "an attempt began after the limit");
        }
        assert!(passed.get() > 50 * SECOND, "it gave up early");
    }

    #[test]
    fn reset_gives_the_full_limit_again() {
        let policy = Policy { first: SECOND, longest: SECOND, limit: Limit::Attempts(2) };
        let (clock, _) = fake();
        let mut delays = Delays::new(policy, clock);
        assert!(delays.next().is_some());
        assert!(delays.next().is_none());
        delays.reset();
        assert!(delays.next().is_some());
    }

    #[test]
    fn one_attempt_means_no_retry() {
        for attempts in [0, 1] {
            let policy = Policy { first: SECOND, longest: SECOND, limit: Limit::Attempts(attempts) };
            assert_eq!(policy.schedule().next(), None);
        }
    }
}
