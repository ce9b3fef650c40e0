//! Programs that die at a step, and those who come after them.

use tests::rabbitmq;
use tests::running::ended;
use tests::scene::{HASTY, PATIENT, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_step_is_followed_by_another() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    scene.enqueue_with("calm", &PATIENT).await;
    assert_eq!(ended(scene.worker("calm")).await, Some(0));
    for step in ["after-fetch", "after-infer", "before-store", "after-store", "after-gather", "after-success"] {
        scene.enqueue_with(step, &PATIENT).await;
        assert_eq!(ended(scene.worker_with(step, &[("PIXELMILL_FAILPOINT", step)])).await, None, "{step}");
        assert_eq!(ended(scene.worker(step)).await, Some(0), "{step}");
        scene.verify(step).await;
        scene.assert_same(step, "calm");
    }
    scene.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_finish_a_batch_at_the_same_time_do_no_harm() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(100);
    scene.enqueue("calm").await;
    assert_eq!(ended(scene.worker("calm")).await, Some(0));
    scene.enqueue("raced").await;
    // All parts are there, and everything that follows is still to be done.
    assert_eq!(ended(scene.worker_with("raced", &[("PIXELMILL_FAILPOINT", "before-gather")])).await, None);
    let workers = [(); 4].map(|()| scene.worker("raced"));
    for worker in workers {
        assert_eq!(ended(worker).await, Some(0));
    }
    scene.verify("raced").await;
    scene.assert_same("raced", "calm");
    assert_eq!(scene.s3.open_uploads(), 0, "a finisher left an upload behind");
    scene.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_dies_at_any_step_can_be_run_again() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    for step in ["after-images", "after-manifest", "after-marker", "mid-publish", "after-publish"] {
        let batch = format!("made-{step}");
        let args = [&["enqueue", "s3://photos/", "--batch", &batch][..], &HASTY].concat();
        assert!(!scene.try_produce_with(&args, &[("PIXELMILL_FAILPOINT", step)]).await.status.success(), "{step}");
        scene.produce(&args).await;
        assert_eq!(ended(scene.worker(&batch)).await, Some(0), "{step}");
        scene.verify(&batch).await;
    }
    scene.drain().await;
}
