//! The rows of a task while it is worked on.

use std::sync::{Mutex, PoisonError};

use batch::{Part, Row};

/// The rows of a task, as they come.
pub struct Rows(Mutex<Vec<Option<Row>>>);

impl Rows {
    /// None yet but those of `kept`, which may be shorter.
    pub fn new(count: usize, kept: &[Option<Row>]) -> Self {
        Self(Mutex::new((0..count).map(|at| kept.get(at).cloned().flatten()).collect()))
    }

    /// The row of the image at this place.
    pub fn set(&self, at: usize, row: Row) {
        self.all()[at] = Some(row);
    }

    /// What there is of them, by the place of their image.
    pub fn so_far(&self) -> Vec<Option<Row>> {
        self.all().clone()
    }

    /// Those of a task that has them all.
    pub fn part(&self) -> Part {
        Part { rows: self.all().drain(..).flatten().collect() }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Option<Row>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
