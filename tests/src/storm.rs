//! Workers that live for a few moments only.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::scene::{Scene, ended};

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
