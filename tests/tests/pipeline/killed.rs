//! Workers killed with SIGKILL, one after the other, as long as there is work.

use std::time::Duration;

use tests::rabbitmq;
use tests::scene::{LIMIT, Scene};
use tests::storm;

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_without_a_pause_give_the_rows_of_a_calm_run() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(1000);
    scene.enqueue("calm").await;
    let pause = storm::calm(&scene, "calm").await;

    scene.enqueue("storm").await;
    // Images come slowly: on no machine is the batch done before many workers were killed.
    scene.s3.faults().set(|plan| (plan.slow_body, plan.only) = (Some(Duration::from_millis(30)), "/photos/0".into()));
    let (killed, _) = storm::kill_workers(&scene, "storm", 3, pause, LIMIT).await;
    assert!(killed > 3, "the storm was over after {killed} workers");
    scene.s3.faults().heal();
    scene.verify("storm").await;
    scene.assert_same("storm", "calm");
    scene.drain().await;
}
