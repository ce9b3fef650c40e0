//! What this process asked of S3 and of web servers, and how often in vain: for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::s3::Kind;

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub struct Traffic {
    attempts: AtomicU64,
    transient: AtomicU64,
    denied: AtomicU64,
    full: AtomicU64,
    config: AtomicU64,
    given_up: AtomicU64,
}

/// The traffic of this process.
pub fn traffic() -> &'static Traffic {
    static TRAFFIC: Traffic = Traffic {
        attempts: AtomicU64::new(0),
        transient: AtomicU64::new(0),
        denied: AtomicU64::new(0),
        full: AtomicU64::new(0),
        config: AtomicU64::new(0),
        given_up: AtomicU64::new(0),
    };
    &TRAFFIC
}

impl Traffic {
    /// Requests that were sent, repeated ones included.
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Requests that failed, by kind: `transient` ones are tried again, the others are not.
    pub fn faults(&self) -> [(&'static str, u64); 4] {
        [("transient", &self.transient), ("denied", &self.denied), ("full", &self.full), ("config", &self.config)]
            .map(|(kind, count)| (kind, count.load(Ordering::Relaxed)))
    }

    /// Operations that failed for good because the store stayed unavailable for longer than the patience.
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    pub(crate) fn attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn transient(&self) {
        self.transient.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn gave_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fault(&self, kind: Kind) {
        let count = match kind {
            Kind::Transient => &self.transient,
            Kind::Denied | Kind::NoCredentials => &self.denied,
            Kind::Full => &self.full,
            Kind::NoBucket | Kind::Config => &self.config,
            // Answers like any other.
            Kind::Absent | Kind::NoUpload | Kind::Condition | Kind::Range => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
