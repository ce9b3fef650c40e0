//! What may happen to a broker in the middle of a batch. Tasks are patient here: what is done is done through the queue.

use std::time::Duration;

use tests::rabbitmq::{self, Node};
use tests::running::{Running, ended};
use tests::scene::{PATIENT, Scene};

use crate::features::worker::{Worker, until};

const TASKS: usize = 80;
/// How long the store takes for an image: a batch lasts longer than anybody needs to look how far it is.
const PACE: Duration = Duration::from_millis(200);
const GOAL: [&str; 3] = ["--until-complete", "--batch", "batch"];

/// Nothing is done while a fault comes, however long that takes: the store holds all images back.
fn hold(scene: &Scene, held: bool) {
    scene.s3.faults().set(|plan| {
        plan.slow_body = Some(PACE);
        plan.held = held;
        plan.only = "/photos/0".into();
    });
}

/// A batch to work on, slowly, and another one of which a calm run has shown the rows.
async fn prepare(url: String) -> Scene {
    let scene = Scene::start(url).await;
    scene.put_images(8 * TASKS as u32);
    scene.enqueue_with("calm", &PATIENT).await;
    assert_eq!(ended(scene.worker("calm")).await, Some(0));
    scene.enqueue_with("batch", &PATIENT).await;
    hold(&scene, false);
    scene
}

/// The batch is under way, and held.
async fn under_way(scene: &Scene) {
    scene.until_parts("batch", 2).await;
    hold(scene, true);
}

/// A batch that is under way on two workers, and held.
async fn two_at_work(url: String) -> (Scene, [Running; 2]) {
    let scene = prepare(url).await;
    let workers = [scene.worker("batch"), scene.worker("batch")];
    under_way(&scene).await;
    (scene, workers)
}

/// The batch goes on after a fault that came before its end: more is done than what the workers had in their hands.
async fn goes_on(scene: &Scene) {
    let done = scene.parts("batch").len();
    assert!(done + 8 < TASKS, "the fault came when {done} tasks were done");
    hold(scene, false);
    scene.until_parts("batch", done + 8).await;
}

/// The rest was done without help, and nothing is left.
async fn ends_well(scene: Scene) {
    scene.verify("batch").await;
    scene.assert_same("batch", "calm");
    scene.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_and_crashes_is_survived() {
    let mut node = rabbitmq::exclusive().await;
    let (scene, workers) = two_at_work(node.url()).await;
    node.stop().await.unwrap();
    node.resume().await.unwrap();
    goes_on(&scene).await;
    hold(&scene, true);
    node.kill().await.unwrap();
    node.resume().await.unwrap();
    goes_on(&scene).await;
    hold(&scene, true);
    node.close_all_connections().await.unwrap();
    goes_on(&scene).await;
    scene.s3.faults().heal();
    for worker in workers {
        assert_eq!(ended(worker).await, Some(0));
    }
    ends_well(scene).await;
}

/// Heartbeats of a second, so that the loss is noticed after two; with the usual ones it takes forty.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_is_survived() {
    let node = rabbitmq::exclusive().await;
    let url = format!("{}/?heartbeat=1", node.url());
    let scene = prepare(url.clone()).await;
    let mut workers = [(); 2].map(|()| Worker::start(&scene, &url, &GOAL, &[]));
    under_way(&scene).await;
    node.freeze().unwrap();
    for worker in &workers {
        until("a lost connection", async || worker.metric("pixelmill_queue_connected").await == 0.0).await;
    }
    node.thaw().unwrap();
    goes_on(&scene).await;
    scene.s3.faults().heal();
    for worker in &mut workers {
        assert_eq!(worker.ended().await, Some(0));
    }
    ends_well(scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_holds_producers_and_not_workers() {
    let node = rabbitmq::exclusive().await;
    let (scene, workers) = two_at_work(node.url()).await;
    let alarm = async |on: bool| Node::set_memory_alarm(&node, on).await.unwrap();
    alarm(true).await;
    let second = async {
        scene.enqueue_with("second", &PATIENT).await;
        assert!(!scene.is_finished("second"));
    };
    let meanwhile = async {
        goes_on(&scene).await;
        let marker = format!("store/queues/{}/open/second", scene.queue);
        scene.until("the marker", async || scene.s3.objects("results").contains_key(&marker)).await;
        scene.s3.faults().heal();
        for worker in workers {
            assert_eq!(ended(worker).await, Some(0));
        }
        assert_eq!(scene.left().await.map(|left| left.ready), Some(0), "a message got through");
        alarm(false).await;
    };
    tokio::join!(second, meanwhile);
    assert_eq!(ended(scene.worker("second")).await, Some(0));
    for batch in ["batch", "second"] {
        scene.verify(batch).await;
        scene.assert_same(batch, "calm");
    }
    scene.drain().await;
}
