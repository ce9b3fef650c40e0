//! An S3 server that refuses, resets, forgets to answer, sends slowly or half, and is gone for a while.

use std::time::Duration;

use tests::rabbitmq;
use tests::running::ended;
use tests::s3::Plan;
use tests::scene::{PATIENT, Scene};

/// How long the store is gone; the soak makes it two minutes.
const OUTAGE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_now_and_then_changes_no_row() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(400);
    scene.enqueue_with("calm", &PATIENT).await;
    assert_eq!(ended(scene.worker("calm")).await, Some(0));

    scene.s3.faults().seed(11);
    scene.s3.faults().set(|plan| *plan = Plan::bad_weather());
    scene.enqueue_with("storm", &PATIENT).await;
    let workers = [(); 3].map(|()| scene.worker("storm"));
    scene.until_parts("storm", 10).await;
    scene.s3.faults().set(|plan| plan.outage = true);
    tokio::time::sleep(OUTAGE).await;
    assert!(!scene.is_finished("storm"), "the outage came after the end");
    scene.s3.faults().set(|plan| plan.outage = false);
    for worker in workers {
        assert_eq!(ended(worker).await, Some(0));
    }
    // The checker itself reads through the bad weather.
    scene.verify("storm").await;
    let faults = scene.s3.faults();
    assert!(faults.injected() * 20 > faults.requests() - faults.injected(), "fewer than one in twenty went wrong");
    faults.heal();
    scene.assert_same("storm", "calm");
    scene.drain().await;
}
