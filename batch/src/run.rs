//! `run.json`: when a batch was worked on, for how long and by how many. The only place, with the report, for what varies
//! from run to run.

use serde::{Deserialize, Serialize};

/// The contents of `run.json`: what the processes that worked on a batch noted. Best effort; rows never depend on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunNotes {
    /// One note per process that worked on the batch, in the order of their start.
    pub sessions: Vec<Session>,
}

/// What one process did for a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Name of the host or pod.
    pub host: String,
    /// Version of the program.
    pub version: String,
    /// Threads that decode and infer.
    pub threads: usize,
    /// Start, RFC 3339, UTC.
    pub started: jiff::Timestamp,
    /// End, RFC 3339, UTC.
    pub finished: jiff::Timestamp,
    /// Images that it worked on.
    pub images: u64,
    /// CPU seconds of the process and its children.
    pub cpu_seconds: f64,
}

impl RunNotes {
    /// From the first start to the last end.
    pub fn span(&self) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
        let started = self.sessions.iter().map(|session| session.started).min()?;
        let finished = self.sessions.iter().map(|session| session.finished).max()?;
        Some((started, finished))
    }

    /// Seconds during which at least one process worked: gaps between sessions do not count.
    pub fn busy_seconds(&self) -> f64 {
        let mut spans: Vec<_> = self.sessions.iter().map(|session| (session.started, session.finished)).collect();
        spans.sort_unstable();
        let mut total = 0.0;
        let mut until: Option<jiff::Timestamp> = None;
        for (started, finished) in spans {
            let from = until.map_or(started, |until| until.max(started));
            total += (finished.as_millisecond() - from.as_millisecond()).max(0) as f64 / 1000.0;
            until = Some(until.map_or(finished, |until| until.max(finished)));
        }
        total
    }

    /// Images worked on, those of lost work included.
    pub fn images(&self) -> u64 {
        self.sessions.iter().map(|session| session.images).sum()
    }

    /// CPU seconds of all processes.
    pub fn cpu_seconds(&self) -> f64 {
        self.sessions.iter().map(|session| session.cpu_seconds).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(started: i64, finished: i64) -> Session {
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        Session {
            host: "h".into(),
            version: "0".into(),
            threads: 2,
            started: at(started),
            finished: at(finished),
            images: 1,
            cpu_seconds: 0.5,
        }
    }

    #[test]
    fn overlapping_sessions_count_once_and_gaps_not_at_all() {
        let notes = RunNotes { sessions: vec![session(10, 20), session(0, 4), session(15, 30), session(16, 17)] };
        assert_eq!(notes.busy_seconds(), 24.0);
        assert_eq!(notes.span().map(|(from, to)| (from.as_second(), to.as_second())), Some((0, 30)));
        assert_eq!((notes.images(), notes.cpu_seconds()), (4, 2.0));
    }
}
