//! The tasks that this worker is at. They are missing in the store as those are that nobody works on; an idle worker that is
//! at a long one must not take it a second time.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use batch::BatchId;

/// A task, by its batch and index.
type Task = (BatchId, u64);

/// The tasks of the moment.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashSet<Task>>);

impl UnderWay {
    /// Counts a task as long as the guard lives. The same one may come twice from the queue: whichever ends first ends both,
    /// which costs some work and no row.
    pub(super) fn begin(&self, batch: &BatchId, task: u64) -> Guard<'_> {
        let task = (batch.clone(), task);
        self.tasks().insert(task.clone());
        Guard { all: self, task }
    }

    pub(super) fn has(&self, batch: &BatchId, task: u64) -> bool {
        self.tasks().contains(&(batch.clone(), task))
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, HashSet<Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends its task when it is dropped, however that comes about.
pub(super) struct Guard<'a> {
    all: &'a UnderWay,
    task: Task,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.all.tasks().remove(&self.task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_under_way_until_its_guard_is_dropped() {
        let (tasks, batch) = (UnderWay::default(), "b".parse().unwrap());
        let guard = tasks.begin(&batch, 1);
        assert_eq!([0, 1].map(|task| tasks.has(&batch, task)), [false, true]);
        drop(guard);
        assert!(!tasks.has(&batch, 1));
    }
}
