//! Whether this worker has a task: one without may ask at once, and more often, whether its batch is complete.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Since when there is no task.
pub(super) struct Quiet {
    since: Mutex<Option<Instant>>,
    came: Notify,
}

impl Default for Quiet {
    fn default() -> Self {
        Self { since: Mutex::new(Some(Instant::now())), came: Notify::new() }
    }
}

impl Quiet {
    /// A task was begun, or the last one ended.
    pub(super) fn set(&self, quiet: bool) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        match quiet {
            true if since.is_none() => {
                *since = Some(Instant::now());
                self.came.notify_one();
            }
            true => {}
            false => *since = None,
        }
    }

    /// Waits until the last task ends; the end of one that nobody waited for counts too.
    pub(super) async fn comes(&self) {
        self.came.notified().await;
    }

    /// For how long there has been no task.
    pub(super) fn lasts(&self) -> Option<Duration> {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn the_end_of_the_last_task_is_told_once() {
        let quiet = Quiet::default();
        assert!(quiet.lasts().is_some() && quiet.comes().now_or_never().is_none());
        quiet.set(false);
        assert!(quiet.lasts().is_none());
        quiet.set(true);
        quiet.set(true);
        assert!(quiet.lasts().is_some());
        assert!(quiet.comes().now_or_never().is_some(), "it came before anyone waited");
        assert!(quiet.comes().now_or_never().is_none());
    }
}
