//! The workers of a soak: killed, stopped, and replaced.

use crate::running::{Running, terminate};
use crate::scene::Scene;

/// Exit code of a worker that could not reach its store for long: a Job starts another.
const UNAVAILABLE: i32 = 75;
/// How one ends that is told to stop, unless it was about to end by itself.
const ENDS: [Option<i32>; 2] = [Some(143), Some(UNAVAILABLE)];

/// Workers that run until they are told to stop.
pub(super) struct Crew(Vec<Running>);

impl Crew {
    pub(super) fn start(scene: &Scene, count: usize) -> Crew {
        Crew((0..count).map(|_| scene.endless_worker()).collect())
    }

    /// Replaces those that ended by themselves, as a Job would.
    pub(super) fn replace_ended(&mut self, scene: &Scene) {
        for worker in &mut self.0 {
            if let Some(status) = worker.status() {
                assert_eq!(status.code(), Some(UNAVAILABLE), "a worker ended with {status}");
                *worker = scene.endless_worker();
            }
        }
    }

    pub(super) fn kill(&mut self, at: usize, scene: &Scene) {
        self.0[at].kill();
        self.0[at] = scene.endless_worker();
    }

    pub(super) async fn stop_one(&mut self, at: usize, scene: &Scene) {
        let worker = std::mem::replace(&mut self.0[at], scene.endless_worker());
        let code = terminate(worker).await;
        assert!(ENDS.contains(&code), "a worker that was to stop ended with {code:?}");
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    pub(super) async fn stop(self) {
        for worker in self.0 {
            let code = terminate(worker).await;
            assert!(ENDS.contains(&code), "a worker that was to stop ended with {code:?}");
        }
    }
}
