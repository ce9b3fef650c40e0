//! Work that no message brings: batches that get nothing while others do, queues that nobody reaches, dead letters.

use std::time::Duration;

use queue::{Admin, AmqpUrl, Broker, Topology};
use tests::http::Nobody;
use tests::rabbitmq;

use super::worker::{Worker, until};
use tests::scene::{PATIENT, Scene, png};

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_worker_gives_a_share_to_a_batch_that_gets_nothing() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(1000);
    scene.s3.create_bucket("few");
    for at in 0..10 {
        scene.s3.put("few", &format!("{at}.png"), png(at));
    }
    // It is busy for longer than any batch need starve: images come slowly.
    scene.produce(&["enqueue", "s3://photos/", "--batch", "busy", "--task-size", "1"]).await;
    scene.s3.faults().set(|plan| (plan.slow_body, plan.only) = (Some(Duration::from_millis(300)), "/photos/0".into()));
    let worker = Worker::start(&scene, &node.url(), &[], &[]);
    until("a worker that is busy", async || worker.metric("pixelmill_tasks_total{outcome=\"done\"}").await >= 3.0)
        .await;
    let hasty = ["enqueue", "s3://few/", "--batch", "starved", "--task-size", "1", "--task-timeout", "1"];
    let unpublished = [("PIXELMILL_FAILPOINT", "after-marker")];
    assert_eq!(scene.try_produce_with(&hasty, &unpublished).await.status.code(), None);
    until("the share of the starved batch", async || scene.is_finished("starved")).await;
    let (starved, idle) =
        ("pixelmill_tasks_started_total{source=\"starved\"}", "pixelmill_tasks_started_total{source=\"idle\"}");
    assert_eq!((worker.metric(starved).await, worker.metric(idle).await), (10.0, 0.0));
    assert!(worker.metric("pixelmill_queue_deliveries_total").await >= 90.0, "one in ten");
    scene.verify("starved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_nobody_reaches_counts_as_silence() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(16);
    scene.enqueue("alone").await;
    let nobody = Nobody::bound();
    let url = format!("amqp://guest:guest@{}", nobody.address());
    let mut worker = Worker::start(&scene, &url, &["--until-complete", "--batch", "alone"], &[]);
    assert_eq!(worker.ended().await, Some(0));
    scene.verify("alone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_looks_after_dead_letters_and_what_they_need() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    scene.enqueue("dead").await;
    let mut admin = with_three_dead_letters(&scene, &node.url()).await;
    let topology = topology(&scene);
    node.unbind(topology.dead()).await.unwrap();
    assert!(node.bindings(topology.dead()).await.unwrap().is_empty());

    let worker = Worker::start(&scene, &node.url(), &[], &[]);
    let dealt_with = async || {
        let mut sum = 0.0;
        for outcome in ["republished", "dropped"] {
            sum += worker.metric(&format!("pixelmill_dead_letters_total{{outcome=\"{outcome}\"}}")).await;
        }
        sum
    };
    until("dead letters that are dealt with", async || dealt_with().await == 3.0).await;
    until("the finished batch", async || worker.metric("pixelmill_batches_finished_total").await == 1.0).await;
    until("an empty queue", async || admin.depth().await.unwrap().ready == 0).await;
    assert_eq!(admin.dead_depth().await.unwrap().ready, 0);
    admin.close().await;
    until("the binding", async || node.bindings(topology.dead()).await.unwrap() == [topology.dead()]).await;
    scene.verify("dead").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_starts_does_not_let_dead_letters_wait() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    // Nobody lives for the patience of this batch, as where workers are killed again and again.
    scene.enqueue_with("dead", &PATIENT).await;
    let mut admin = with_three_dead_letters(&scene, &node.url()).await;
    let mut worker = Worker::start(&scene, &node.url(), &["--until-complete", "--batch", "dead"], &[]);
    assert_eq!(worker.ended().await, Some(0));
    scene.verify("dead").await;
    assert_eq!(admin.dead_depth().await.unwrap().ready, 0);
    admin.close().await;
}

/// Rejects the first three tasks of the queue of `scene`; returns when they are dead letters.
async fn with_three_dead_letters(scene: &Scene, url: &str) -> Admin {
    scene.reject(3).await;
    let mut admin = Admin::new(&Broker::new(url.parse::<AmqpUrl>().unwrap(), "tests"), &topology(scene));
    until("dead letters", async || admin.dead_depth().await.unwrap().ready == 3).await;
    admin
}

fn topology(scene: &Scene) -> Topology {
    Topology::new(&scene.queue).unwrap()
}
