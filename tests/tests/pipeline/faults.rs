//! Workers killed, a broker restarted, a queue purged, a store that fails now and then: the rows are those of a calm run.

use std::time::Duration;

use tests::rabbitmq;

use crate::scene::{LIMIT, Scene, ended};

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_again_and_again_give_the_rows_of_a_calm_run() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(400);
    scene.enqueue("calm").await;
    assert_eq!(ended(scene.worker("calm")).await, Some(0));
    scene.verify("calm").await;

    scene.enqueue("storm").await;
    scene.s3.faults().seed(7);
    scene.s3.faults().set(|plan| plan.slow_down = 0.05);
    let storm = async {
        let mut workers: Vec<_> = (0..3).map(|_| scene.worker("storm")).collect();
        let mut pause = Duration::from_millis(300);
        for round in 0_usize.. {
            // More and more slowly: on a machine where a start takes longer than a life, the batch would never end.
            tokio::time::sleep(pause).await;
            pause = pause.mul_f32(1.1);
            let worker = &mut workers[round % 3];
            if worker.try_wait().unwrap().is_some_and(|status| status.success()) {
                break;
            }
            worker.kill().unwrap();
            worker.wait().unwrap();
            *worker = scene.worker("storm");
        }
        for worker in workers {
            assert_eq!(ended(worker).await, Some(0));
        }
    };
    tokio::time::timeout(LIMIT, storm).await.expect("the batch never ends");
    scene.s3.faults().heal();
    scene.verify("storm").await;
    assert!(scene.parts("storm") == scene.parts("calm"), "the storm changed rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_queue_is_finished_by_idle_workers_and_at_once_by_reconcile() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(40);
    scene.enqueue("idle").await;
    node.purge_queue(&scene.queue).await.unwrap();
    assert_eq!(ended(scene.worker("idle")).await, Some(0));
    scene.verify("idle").await;

    scene.enqueue("asked").await;
    node.purge_queue(&scene.queue).await.unwrap();
    scene.produce(&["reconcile", "asked"]).await;
    assert_eq!(ended(scene.worker("asked")).await, Some(0));
    scene.verify("asked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies_in_the_middle_is_survived() {
    let mut node = rabbitmq::exclusive().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(200);
    scene.enqueue("batch").await;
    let workers = [scene.worker("batch"), scene.worker("batch")];
    while scene.parts("batch").len() < 5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    node.kill().await.unwrap();
    node.resume().await.unwrap();
    for worker in workers {
        assert_eq!(ended(worker).await, Some(0));
    }
    scene.verify("batch").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_step_is_followed_by_another() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    for step in ["before-store", "after-store"] {
        let batch = format!("step-{step}");
        scene.enqueue(&batch).await;
        assert_eq!(ended(scene.worker_with(&batch, &[("PIXELMILL_FAILPOINT", step)])).await, None);
        assert_eq!(ended(scene.worker(&batch)).await, Some(0));
        scene.verify(&batch).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_dies_at_any_step_can_be_run_again() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    for step in ["after-images", "after-manifest", "after-marker", "mid-publish", "after-publish"] {
        let batch = format!("made-{step}");
        let args = ["enqueue", "s3://photos/", "--batch", &batch, "--task-size", "8", "--task-timeout", "2"];
        assert!(!scene.try_produce_with(&args, &[("PIXELMILL_FAILPOINT", step)]).await.status.success(), "{step}");
        scene.produce(&args).await;
        assert_eq!(ended(scene.worker(&batch)).await, Some(0), "{step}");
        scene.verify(&batch).await;
    }
}
