//! Workers killed with SIGKILL, one after the other, as long as there is work.

use std::time::{Duration, Instant};

use tests::rabbitmq;
use tests::scene::{LIMIT, Scene, ended};
use tests::storm;

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_without_a_pause_give_the_rows_of_a_calm_run() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(1000);
    scene.enqueue("calm").await;
    let started = Instant::now();
    let calm = scene.worker("calm");
    scene.until_parts("calm", 1).await;
    // A worker that is killed before it can begin gets nowhere, however often it is started: each of the three lives three
    // pauses, twice as long as a start with a first task takes on this machine.
    let pause = Duration::from_millis(300).max(started.elapsed() * 2 / 3);
    assert_eq!(ended(calm).await, Some(0));
    scene.verify("calm").await;

    scene.enqueue("storm").await;
    let killed = storm::kill_workers(&scene, "storm", 3, pause, LIMIT).await;
    assert!(killed > 3, "the storm was over after {killed} workers");
    scene.verify("storm").await;
    scene.assert_same("storm", "calm");
    scene.drain().await;
}
