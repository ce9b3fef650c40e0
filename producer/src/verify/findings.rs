//! What is wrong: counted by kind, and listed up to a limit.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;

use program::Failure;

use crate::display::printable;

/// What can be wrong with a row or an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// An image has no row.
    Missing,
    /// An image has a row too many, or a row no image.
    Duplicate,
    /// A row is not in its place.
    Order,
    /// A row or an object is not what it must be.
    Wrong,
}

/// All that was found; copies share it.
#[derive(Clone)]
pub(super) struct Findings(Rc<RefCell<Counts>>);

struct Counts {
    by_kind: BTreeMap<Kind, u64>,
    printed: u64,
    limit: u64,
}

impl Findings {
    /// Nothing yet; `limit` of them will be printed.
    pub(super) fn new(limit: u64) -> Self {
        Self(Rc::new(RefCell::new(Counts { by_kind: BTreeMap::new(), printed: 0, limit })))
    }

    /// One thing that is wrong.
    pub(super) fn add(&self, kind: Kind, what: &dyn fmt::Display) -> Result<(), Failure> {
        self.add_many(kind, 1, what)
    }

    /// `count` things that are wrong for one reason.
    pub(super) fn add_many(&self, kind: Kind, count: u64, what: &dyn fmt::Display) -> Result<(), Failure> {
        let mut counts = self.0.borrow_mut();
        *counts.by_kind.entry(kind).or_default() += count;
        counts.printed += 1;
        if counts.printed <= counts.limit {
            writeln!(io::stdout(), "{}", printable(&what.to_string()))?;
        } else if counts.printed == counts.limit + 1 {
            writeln!(io::stdout(), "… more; --limit N lists them")?;
        }
        Ok(())
    }

    /// Whether all is well.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().by_kind.is_empty()
    }

    /// How many there are of a kind.
    pub(super) fn of(&self, kind: Kind) -> u64 {
        self.0.borrow().by_kind.get(&kind).copied().unwrap_or(0)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [missing, duplicate, order, wrong] =
            [Kind::Missing, Kind::Duplicate, Kind::Order, Kind::Wrong].map(|kind| self.of(kind));
        write!(f, "{missing} missing, {duplicate} duplicate, {order} out of order, {wrong} wrong")
    }
}
