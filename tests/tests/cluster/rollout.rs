//! Long-lived workers are replaced, made fewer and more in the middle of a batch.

use crate::cluster::scene;
use crate::kubectl::kubectl;

#[test]
fn a_rollout_and_fewer_workers_lose_no_work() {
    let scene = scene(3);
    let batch = scene.enqueue("rollout", 1500);
    scene.work_has_begun(&batch);
    kubectl(&["rollout", "restart", "deployment/worker"]);
    kubectl(&["rollout", "status", "deployment/worker", "--timeout=180s"]);
    scene.scale(1);
    scene.scale(3);
    scene.finished(&batch);
    scene.verify(&batch);
    scene.scale(0);
}
