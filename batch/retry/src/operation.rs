//! One asynchronous operation, tried again while its failures are transient and the policy allows.

use std::fmt;

use crate::schedule::Policy;

/// How an attempt failed, and whether another one makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure<E> {
    /// May succeed later: time-outs, resets, overload.
    Transient(E),
    /// Will not change by itself: no permission, wrong configuration, wrong input.
    Permanent(E),
}

impl<E> Failure<E> {
    /// The error, however it is classed.
    pub fn into_inner(self) -> E {
        match self {
            Failure::Transient(e) | Failure::Permanent(e) => e,
        }
    }

    /// Whether another attempt could have made sense.
    pub fn is_transient(&self) -> bool {
        matches!(self, Failure::Transient(_))
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Transient(e) | Failure::Permanent(e) => e.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for Failure<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Failure::Transient(e) | Failure::Permanent(e) => e.source(),
        }
    }
}

/// Runs `operation(attempt)`, attempts counted from 0, until it succeeds, fails for good or the policy's limit is
/// reached.
///
/// # Errors
/// The failure of the last attempt: `Permanent` as the operation said, `Transient` when the limit was reached.
pub async fn retry<T, E, F, O>(policy: Policy, mut operation: F) -> Result<T, Failure<E>>
where
    E: fmt::Display,
    F: FnMut(u32) -> O,
    O: Future<Output = Result<T, Failure<E>>>,
{
    let mut schedule = policy.schedule();
    let mut attempt = 0;
    loop {
        let error = match operation(attempt).await {
            Err(Failure::Transient(error)) => error,
            other => return other,
        };
        let Some(delay) = schedule.next() else { return Err(Failure::Transient(error)) };
        let delay_ms = delay.as_millis() as u64;
        if attempt == 0 {
            tracing::debug!(attempt, delay_ms, %error, "trying again");
        } else {
            tracing::warn!(attempt, delay_ms, %error, "trying again");
        }
        tokio::time::sleep(delay).await;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::schedule::Limit;

    /// No time passes between the attempts.
    const AT_ONCE: Policy = Policy { first: Duration::ZERO, longest: Duration::ZERO, limit: Limit::Attempts(5) };

    #[tokio::test]
    async fn a_success_after_transient_failures_is_a_success() {
        let result = retry(AT_ONCE, |attempt| async move {
            if attempt < 4 { Err(Failure::Transient(format!("attempt {attempt}"))) } else { Ok(attempt) }
        });
        assert_eq!(result.await, Ok(4));
    }

    #[tokio::test]
    async fn the_limit_holds_and_the_last_failure_is_told() {
        let calls = Cell::new(0);
        let result: Result<(), _> = retry(AT_ONCE, |attempt| {
            calls.set(calls.get() + 1);
            async move { Err(Failure::Transient(format!("attempt {attempt}"))) }
        })
        .await;
        assert_eq!(result, Err(Failure::Transient("attempt 4".into())));
        assert_eq!(calls.get(), 5);
    }

    #[tokio::test]
    async fn a_permanent_failure_ends_at_once() {
        let calls = Cell::new(0);
        let result: Result<(), _> = retry(AT_ONCE, |_| {
            calls.set(calls.get() + 1);
            async { Err(Failure::Permanent("no")) }
        })
        .await;
        assert_eq!(result, Err(Failure::Permanent("no")));
        assert_eq!(calls.get(), 1);
    }
}
