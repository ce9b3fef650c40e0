//! What may happen to a broker in the middle of a batch. Tasks are patient here: what is done is done through the queue.

use std::process::Child;
use std::time::Duration;

use tests::rabbitmq::{self, Node};
use tests::scene::{PATIENT, Scene, ended};

const TASKS: usize = 80;
/// How long the store holds back every answer while a fault comes: nothing much is done meanwhile.
const SLOW: Duration = Duration::from_secs(3);
const QUICK: Duration = Duration::from_millis(100);

fn pace(scene: &Scene, pace: Duration) {
    scene.s3.faults().set(|plan| plan.slow_body = Some(pace));
}

/// A batch that is under way, slowly enough to last, on two workers.
async fn under_way(url: String) -> (Scene, [Child; 2]) {
    let scene = Scene::start(url).await;
    scene.put_images(8 * TASKS as u32);
    scene.enqueue_with("calm", &PATIENT).await;
    assert_eq!(ended(scene.worker("calm")).await, Some(0));
    scene.enqueue_with("batch", &PATIENT).await;
    pace(&scene, QUICK);
    let workers = [scene.worker("batch"), scene.worker("batch")];
    scene.until_parts("batch", 2).await;
    pace(&scene, SLOW);
    (scene, workers)
}

/// The batch goes on after a fault that came before its end: more is done than what the workers had in their hands.
async fn goes_on(scene: &Scene) {
    let done = scene.parts("batch").len();
    assert!(done + 8 < TASKS, "the fault came when {done} tasks were done");
    pace(scene, QUICK);
    scene.until_parts("batch", done + 8).await;
    pace(scene, SLOW);
}

/// The rest is done without help, and nothing is left.
async fn ends_well(scene: Scene, workers: [Child; 2]) {
    scene.s3.faults().heal();
    for worker in workers {
        assert_eq!(ended(worker).await, Some(0));
    }
    scene.verify("batch").await;
    scene.assert_same("batch", "calm");
    scene.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_and_crashes_is_survived() {
    let mut node = rabbitmq::exclusive().await;
    let (scene, workers) = under_way(node.url()).await;
    node.stop().await.unwrap();
    node.resume().await.unwrap();
    goes_on(&scene).await;
    node.kill().await.unwrap();
    node.resume().await.unwrap();
    goes_on(&scene).await;
    node.close_all_connections().await.unwrap();
    goes_on(&scene).await;
    ends_well(scene, workers).await;
}

/// Heartbeats of a second, so that the loss is noticed after two; with the usual ones it takes forty.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_is_survived() {
    let node = rabbitmq::exclusive().await;
    let (scene, workers) = under_way(format!("{}/?heartbeat=1", node.url())).await;
    node.freeze().unwrap();
    // Three tasks are in the hands of each worker; nothing comes after them.
    tokio::time::sleep(frozen()).await;
    node.thaw().unwrap();
    goes_on(&scene).await;
    ends_well(scene, workers).await;
}

/// Longer than the broker's and the workers' patience with each other, which is two heartbeats.
fn frozen() -> Duration {
    Duration::from_secs(8)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_holds_producers_and_not_workers() {
    let node = rabbitmq::exclusive().await;
    let (scene, workers) = under_way(node.url()).await;
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
