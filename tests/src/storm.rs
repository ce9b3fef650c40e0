//! Workers that live for a few moments only.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::scene::{Scene, ended};

/// Keeps `count` workers on the batch and kills the oldest one with SIGKILL after every `pause`, as long as none of them
/// says that the batch is finished; gives how many were killed.
///
/// # Panics
/// When the batch is not finished within `limit`, or a worker ends otherwise than by a signal or with 0.
pub async fn kill_workers(scene: &Scene, batch: &str, count: usize, pause: Duration, limit: Duration) -> usize {
    let started = Instant::now();
    let mut workers: Vec<_> = (0..count).map(|_| scene.worker(batch)).collect();
    let mut killed = 0;
    loop {
        sleep(pause).await;
        assert!(started.elapsed() < limit, "{batch} is not finished after {killed} killed workers");
        let worker = &mut workers[killed % count];
        if let Some(status) = worker.try_wait().expect("a child") {
            assert!(status.success(), "a worker ended with {status}");
            break;
        }
        worker.kill().expect("a child");
        worker.wait().expect("a child");
        killed += 1;
        workers[(killed - 1) % count] = scene.worker(batch);
    }
    for worker in workers {
        assert_eq!(ended(worker).await, Some(0));
    }
    killed
}
