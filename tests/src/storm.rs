//! Workers that live for a few moments only.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::running::ended;
use crate::scene::Scene;

/// One worker does the whole batch, undisturbed; gives the pause between two kills of three workers that lets each live twice
/// as long as this one took from its start to its first part. A worker that is killed before it can begin gets nowhere, however
/// often it is started.
///
/// # Panics
/// When the batch does not succeed.
pub async fn calm(scene: &Scene, batch: &str) -> Duration {
    let started = Instant::now();
    let worker = scene.worker(batch);
    scene.until_parts(batch, 1).await;
    let pause = Duration::from_millis(300).max(started.elapsed() * 2 / 3);
    assert_eq!(ended(worker).await, Some(0));
    scene.verify(batch).await;
    pause
}

/// A batch must get on.
pub struct Progress {
    parts: usize,
    since: Instant,
    limit: Duration,
}

impl Progress {
    /// It may get no part for `limit`.
    pub fn new(limit: Duration) -> Progress {
        Progress { parts: 0, since: Instant::now(), limit }
    }

    /// Looks how far it is.
    ///
    /// # Panics
    /// When it did not get on for too long.
    pub fn look(&mut self, scene: &Scene, batch: &str) {
        let parts = scene.parts(batch).len();
        if parts != self.parts {
            (self.parts, self.since) = (parts, Instant::now());
        }
        assert!(self.since.elapsed() < self.limit, "{batch} got none after {parts} parts for {:?}", self.limit);
    }
}

/// Exit code of a worker that could not reach its store for long.
const UNAVAILABLE: i32 = 75;
/// Deaths that brought no part show that the machine is slower by now than it was in the calm run.
const IN_VAIN: usize = 20;

/// Keeps `count` workers on the batch and kills the oldest one with SIGKILL after every `pause`, as long as none of them
/// says that the batch is finished; gives how many were killed, and the longest pause: it grows a little whenever many died in
/// vain, since others may need the machine too.
///
/// # Panics
/// When the batch does not get on for `limit`, or a worker ends by itself otherwise than with 0 or 75.
pub async fn kill_workers(
    scene: &Scene,
    batch: &str,
    count: usize,
    mut pause: Duration,
    limit: Duration,
) -> (usize, Duration) {
    let mut progress = Progress::new(limit);
    let (mut parts, mut in_vain) = (0, 0);
    let mut workers: Vec<_> = (0..count).map(|_| scene.worker(batch)).collect();
    let mut killed = 0;
    loop {
        sleep(pause).await;
        progress.look(scene, batch);
        let worker = &mut workers[killed % count];
        match worker.status().map(|status| status.code()) {
            None => worker.kill(),
            Some(Some(0)) => break,
            // A long outage of its store; a Job would start another, too.
            Some(Some(UNAVAILABLE)) => {}
            Some(other) => panic!("a worker ended with {other:?}"),
        }
        killed += 1;
        in_vain = if progress.parts == parts { in_vain + 1 } else { 0 };
        parts = progress.parts;
        if in_vain == IN_VAIN {
            in_vain = 0;
            pause += pause / 4;
        }
        workers[(killed - 1) % count] = scene.worker(batch);
    }
    for worker in workers {
        let code = ended(worker).await;
        assert!([Some(0), Some(UNAVAILABLE)].contains(&code), "a worker ended with {code:?}");
    }
    (killed, pause)
}
