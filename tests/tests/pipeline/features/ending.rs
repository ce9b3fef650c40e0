//! However much hangs, a worker that is told to stop does so, and hands its work back.

use std::time::{Duration, Instant};

use tests::rabbitmq;

use super::models::{enqueue, put_package};
use super::worker::{Worker, until};
use tests::scene::Scene;

/// What Kubernetes gives a worker that is to stop. Ten seconds are promised; a busy machine may need more than that, and
/// whoever waits for what hangs here more than this.
const GRACE: Duration = Duration::from_secs(30);

/// Tells the worker to stop and waits for its end.
async fn stops(mut worker: Worker, while_what: &str) {
    let asked = Instant::now();
    worker.terminate();
    assert_eq!(worker.ended().await, Some(143), "{while_what}");
    let took = asked.elapsed();
    assert!(took < GRACE, "{while_what}: {took:?}");
    assert!(worker.last_words().contains("stopped"), "{while_what}: {}", worker.last_words());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stops_whatever_hangs() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(16);
    scene.produce(&["enqueue", "s3://photos/", "--batch", "kept", "--task-size", "8"]).await;
    let hang = |only: &str| {
        let only = only.to_owned();
        scene.s3.faults().set(move |plan| {
            plan.hang = 1.0;
            plan.only = only;
        });
    };
    let goal = ["--until-complete", "--batch", "kept"];

    hang("");
    let before = scene.s3.faults().injected();
    let worker = Worker::start(&scene, &node.url(), &goal, &[]);
    until("a question to the store", async || scene.s3.faults().injected() > before).await;
    stops(worker, "the store answers nothing").await;

    hang("/photos/");
    let before = scene.s3.faults().injected();
    let worker = Worker::start(&scene, &node.url(), &goal, &[]);
    until("a fetched image", async || scene.s3.faults().injected() > before).await;
    assert_eq!(worker.page("/livez").await.0, 200);
    stops(worker, "images are fetched").await;

    hang("/parts/");
    let before = scene.s3.faults().injected();
    let worker = Worker::start(&scene, &node.url(), &goal, &[]);
    until("a stored part", async || scene.s3.faults().injected() > before).await;
    stops(worker, "a part is stored").await;
    scene.s3.faults().heal();

    // What they had was handed back: another one does all of it, and no image is blamed.
    let mut worker = Worker::start(&scene, &node.url(), &goal, &[]);
    assert_eq!(worker.ended().await, Some(0));
    scene.verify("kept").await;

    scene.s3.put("photos", "hangs.png", "PIXELMILL-TEST:hang");
    scene.produce(&["enqueue", "s3://photos/hangs.png", "--batch", "hangs"]).await;
    let worker = Worker::start(&scene, &node.url(), &[], &[]);
    until("an image under work", async || worker.metric("pixelmill_images_in_flight").await == 1.0).await;
    stops(worker, "an engine hangs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stops_while_a_model_does_not_come() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(16);
    put_package(&scene.s3, "slow");
    let producers = tempfile::tempdir().unwrap();
    assert!(enqueue(&scene, "far", "s3://models/slow", producers.path()).await);
    scene.s3.faults().set(|plan| {
        plan.stall = 1.0;
        plan.cut_after = 1000;
        plan.only = "/models/".into();
    });
    let before = scene.s3.faults().injected();
    let goal = ["--until-complete", "--batch", "far"];
    let worker = Worker::start(&scene, &node.url(), &goal, &[]);
    until("a model that is fetched", async || scene.s3.faults().injected() > before).await;
    stops(worker, "a model is fetched").await;
    scene.s3.faults().heal();

    let mut worker = Worker::start(&scene, &node.url(), &goal, &[]);
    assert_eq!(worker.ended().await, Some(0));
    scene.verify("far").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stops_while_the_broker_is_frozen() {
    let node = rabbitmq::exclusive().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(8);
    let worker = Worker::start(&scene, &node.url(), &[], &[]);
    until("a subscription", async || worker.metric("pixelmill_queue_connected").await == 1.0).await;
    node.freeze().unwrap();
    stops(worker, "the broker is frozen").await;
    let worker = Worker::start(&scene, &node.url(), &[], &[]);
    worker.until_logged("the worker starts").await;
    stops(worker, "the broker does not even greet").await;
    node.thaw().unwrap();
}
