//! `runs/<n>.json`: the one object that decides a run. Everything else of the run is made from it, by anyone, again and
//! again.

use batch::{BatchId, Manifest};
use jiff::Timestamp;
use program::Failure;
use serde::{Deserialize, Serialize};

/// Longest batch id.
const LONGEST_ID: usize = 50;
/// How many names a run tries. A name is taken only by a batch that somebody made by hand.
const MOST_NAMES: u64 = 100;

/// The contents of a run's object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// Its number: one more than that of the run before.
    pub(super) run: u64,
    /// When it was decided, by the clock of who did it.
    pub(super) made: Timestamp,
    /// Whether images of earlier runs were taken again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) backfill: bool,
    /// What the listing was.
    pub(super) counts: Counts,
    /// The manifest of the batch; its image files lie below `etl/<name>/` first.
    pub(super) manifest: Manifest,
}

/// What a listing was, beside the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counts {
    /// Objects that the flags do not leave out.
    pub(super) listed: u64,
    /// Taken because their name is in no earlier run.
    pub(super) new: u64,
    /// Taken because their content is in no earlier run.
    pub(super) overwritten: u64,
    /// Taken although they are in an earlier run.
    pub(super) again: u64,
    /// Bytes of all that was taken.
    pub(super) bytes: u64,
    /// When the newest of them was modified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) newest: Option<Timestamp>,
}

impl Run {
    /// The bytes of the object.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Failure> {
        let mut text = serde_json::to_vec(self).map_err(|error| Failure::unavailable(format!("encoding: {error}")))?;
        text.push(b'\n');
        Ok(text)
    }

    /// Parses and validates the bytes of the object at `key`.
    pub(super) fn decode(text: &[u8], key: &store::Key) -> Result<Self, Failure> {
        let wrong = |reason: &dyn std::fmt::Display| Failure::usage(format!("{key} cannot be read: {reason}"));
        let run: Self = serde_json::from_slice(text).map_err(|error| wrong(&error))?;
        let manifest = run.manifest.encode().map_err(|error| wrong(&error))?;
        Manifest::decode(&manifest).map_err(|error| wrong(&error))?;
        Ok(run)
    }

    /// The batch that this run asked for.
    pub(super) fn batch(&self) -> &BatchId {
        &self.manifest.batch
    }

    /// The names under which it may be carried out, in the order in which they are tried: `<id>`, `<id>-<n>`,
    /// `<id>-<n>-2`, …
    pub(super) fn names(&self) -> impl Iterator<Item = BatchId> {
        let further = (1..MOST_NAMES).map(|at| match at {
            1 => format!("-{}", self.run),
            at => format!("-{}-{at}", self.run),
        });
        let id = self.batch().as_str();
        let longer = further.filter_map(move |end| {
            let kept = &id[..id.len().min(LONGEST_ID.saturating_sub(end.len()))];
            format!("{kept}{end}").parse().ok()
        });
        std::iter::once(self.batch().clone()).chain(longer)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fixture::manifest;

    pub(in crate::etl) fn run(batch: &str) -> Run {
        let (made, counts) = (Timestamp::UNIX_EPOCH, Counts::default());
        let manifest = Manifest { batch: batch.parse().unwrap(), ..manifest(Vec::new()) };
        Run { run: 12, made, backfill: false, counts, manifest }
    }

    #[test]
    fn names_are_valid_distinct_and_begin_with_the_one_asked_for() {
        let longest = "x".repeat(50);
        for id in ["a", "nightly", &longest] {
            let names: Vec<_> = run(id).names().map(|name| name.to_string()).collect();
            assert_eq!((names.len(), &names[0][..]), (100, id));
            assert!(names[1].ends_with("-12") && names[2].ends_with("-12-2"), "{names:?}");
            assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
        }
    }

    #[test]
    fn reads_back_and_refuses_what_is_no_run() {
        let key = store::Key::new("etl/a/runs/00000012.json").unwrap();
        let run = run("b");
        assert_eq!(Run::decode(&run.encode().unwrap(), &key).unwrap(), run);
        let mut wrong = run;
        wrong.manifest.task_size = 0;
        for text in [&b"{}"[..], b"", &wrong.encode().unwrap()] {
            let failure = Run::decode(text, &key).unwrap_err();
            assert!(failure.code == Failure::USAGE && failure.message.contains("00000012"), "{}", failure.message);
        }
    }
}
