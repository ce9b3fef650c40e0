//! Waiting for a broker that may be blocked rather than gone.

use std::pin::pin;
use std::time::Duration;

use crate::broker::Link;
use crate::error::QueueError;
use crate::outgoing::PublisherOptions;

const TICK: Duration = Duration::from_millis(250);

/// Why waiting for the broker was given up.
pub(crate) enum Stall {
    Silent(QueueError),
    Blocked(QueueError),
}

impl Stall {
    pub(crate) fn error(&self) -> &QueueError {
        match self {
            Stall::Silent(error) | Stall::Blocked(error) => error,
        }
    }
}

/// Waits for `answer`; time in which the broker blocks us for want of memory or disk is counted apart.
pub(crate) async fn patiently<T>(
    link: &Link,
    options: &PublisherOptions,
    answer: impl Future<Output = T>,
) -> Result<T, Stall> {
    let mut answer = pin!(answer);
    let (mut silent, mut blocked) = (Duration::ZERO, Duration::ZERO);
    loop {
        if let Ok(answer) = tokio::time::timeout(TICK, &mut answer).await {
            return Ok(answer);
        }
        if link.is_blocked() {
            if blocked.is_zero() {
                tracing::warn!("the broker blocks publishing (memory or disk alarm); waiting");
            }
            blocked += TICK;
        } else {
            silent += TICK;
        }
        if blocked >= options.blocked_timeout {
            let text = format!("it has blocked publishing for {blocked:?}: memory or disk alarm on the broker");
            return Err(Stall::Blocked(QueueError::Unavailable(text)));
        }
        if silent >= options.confirm_timeout {
            return Err(Stall::Silent(QueueError::timeout("a confirm", silent)));
        }
    }
}
