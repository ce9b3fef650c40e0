//! What people do with batches while others work on them: enqueue twice, retry, cancel, delete, revive dead letters.

use std::time::Duration;

use batch::{ErrorCode, Manifest, Part};
use tests::rabbitmq;

use tests::running::ended;
use tests::scene::{Scene, png, text};

#[tokio::test(flavor = "multi_thread")]
async fn producers_with_different_listings_make_one_batch() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    for round in 0..3 {
        let batch = format!("raced-{round}");
        let args = ["enqueue", "s3://photos/", "--batch", &batch, "--task-size", "8"];
        let growing = async {
            for at in 0..30 {
                scene.s3.put("photos", &format!("{round}-{at}.png"), png(at));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let (first, second, third, ()) =
            tokio::join!(scene.produce(&args), scene.produce(&args), scene.produce(&args), growing);
        let images =
            |said: &str| said.split(" published").next().map(|said| said.rsplit_once(", ").unwrap().0.to_owned());
        assert_eq!([images(&second), images(&third)], [images(&first), images(&first)]);
        let manifest = scene.s3.objects("results")[&format!("store/batches/{batch}/manifest.json")].clone();
        let count = Manifest::decode(&manifest).unwrap().image_count();
        assert!(first.contains(&format!(": {count} images in")), "{count} images: {first}");
        assert_eq!(ended(scene.worker(&batch)).await, Some(0));
        scene.verify(&batch).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_object_is_listed_and_a_folder_without_its_slash_is_refused() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(1);
    scene.s3.put("photos", "folder/a.png", png(1));
    scene.s3.put("photos", "folder-b.png", png(2));
    let refused = scene.try_produce(&["enqueue", "s3://photos/folder", "--batch", "slip"]).await;
    assert_eq!(refused.status.code(), Some(64));
    assert!(text(&refused.stderr).contains("write s3://photos/folder/ for"), "{}", text(&refused.stderr));
    scene.produce(&["enqueue", "s3://photos/00000.png", "s3://photos/gone.png", "--batch", "typed"]).await;
    scene.s3.put("photos", "00000.png", png(3));
    assert_eq!(ended(scene.worker("typed")).await, Some(0));
    scene.verify("typed").await;
    let rows = scene.parts("typed").into_values().next().map(|part| Part::decode(&part).unwrap().rows).unwrap();
    let codes: Vec<_> = rows.iter().map(|row| row.error.as_ref().unwrap().code).collect();
    assert_eq!(codes, [ErrorCode::Changed, ErrorCode::NotFound]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_does_the_chosen_images_again_and_no_other() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    scene.s3.put("photos", "00003.png", "no image");
    scene.enqueue("first").await;
    let swap = |at: u32, seed| scene.s3.put("photos", &format!("{at:05}.png"), png(seed));
    swap(5, 99);
    assert_eq!(ended(scene.worker("first")).await, Some(0));
    scene.verify("first").await;
    assert_eq!(errors(&scene, "first"), ["00003.png unsupported", "00005.png changed"]);
    // The image that had changed is back; another one would fail now if anybody looked at it.
    swap(5, 5);
    swap(7, 99);
    let said = scene.produce(&["retry", "first", "--code", "changed", "--as", "second"]).await;
    assert!(said.contains("1 image to do again in 1 task") && said.contains("2 taken over"), "{said}");
    let refused = scene.try_produce(&["delete", "first", "--yes"]).await;
    assert_eq!(refused.status.code(), Some(64), "an unfinished retry still takes rows from it");
    assert_eq!(ended(scene.worker("second")).await, Some(0));
    scene.verify("second").await;
    assert_eq!(errors(&scene, "second"), ["00003.png unsupported"]);
    assert_eq!(scene.try_produce(&["retry", "second", "--code", "timeout"]).await.status.code(), Some(64));
    scene.produce(&["delete", "first", "--yes"]).await;
    scene.verify("second").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_drop_a_cancelled_batch_and_a_deleted_id_stays_refused() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(80);
    scene.enqueue("given-up").await;
    // The batch cannot be finished before it is cancelled.
    scene.s3.faults().set(|plan| (plan.held, plan.only) = (true, "/photos/00070.png".into()));
    let worker = scene.worker("given-up");
    scene.until_parts("given-up", 1).await;
    scene.produce(&["cancel", "given-up"]).await;
    assert_eq!(ended(worker).await, Some(64));
    scene.s3.faults().heal();
    let status: serde_json::Value =
        serde_json::from_str(&scene.produce(&["status", "given-up", "--format", "json"]).await).unwrap();
    let done = status["images"]["done"].as_u64().unwrap();
    assert_eq!((status["state"].as_str(), status["images"]["total"].as_u64()), (Some("cancelled"), Some(80)));
    assert_eq!(scene.produce(&["results", "given-up"]).await.lines().count() as u64, done);
    let verified = scene.try_produce(&["verify", "given-up"]).await;
    assert_eq!(verified.status.code(), Some(1));
    assert!(text(&verified.stdout).contains(&format!("{} missing, 0 duplicate", 80 - done)));
    scene.produce(&["delete", "given-up", "--yes"]).await;
    let left: Vec<_> = scene.s3.objects("results").into_keys().collect();
    assert_eq!(left, ["store/batches/given-up/manifest.json"]);
    for args in [&["enqueue", "s3://photos/", "--batch", "given-up"][..], &["status", "given-up"]] {
        assert_eq!(scene.try_produce(args).await.status.code(), Some(64), "{args:?}");
    }
    assert_eq!(ended(scene.worker("given-up")).await, Some(64));
}

/// An autoscaler that counts messages would start workers for them without end.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_work_takes_what_the_queue_holds_of_batches_that_are_over() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(400);
    scene.enqueue("given-up").await;
    scene.produce(&["cancel", "given-up"]).await;
    assert!(scene.left().await.is_some_and(|left| left.ready > 10), "cancelling takes no message");
    assert_eq!(ended(scene.worker_of_queue()).await, Some(0));
    scene.until("an empty queue", async || scene.left().await.is_some_and(|left| left.ready == 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_published_again_for_isolated_work() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    scene.enqueue("dead").await;
    scene.reject(2).await;
    let waiting = async || {
        let status = scene.produce(&["status", "dead", "--format", "json"]).await;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        (status["queue"]["waiting"].as_u64(), status["queue"]["dead_letters"].as_u64())
    };
    scene.until("dead letters", async || waiting().await == (Some(1), Some(2))).await;
    // The queue holds a message, so nothing but the dead letters is published.
    scene.produce(&["reconcile", "--open"]).await;
    scene.until("revived dead letters", async || waiting().await == (Some(3), Some(0))).await;
    assert_eq!(ended(scene.worker("dead")).await, Some(0));
    scene.verify("dead").await;
}

/// The images of a batch that failed, with their codes.
fn errors(scene: &Scene, batch: &str) -> Vec<String> {
    let parts = scene.parts(batch);
    let rows = parts.values().flat_map(|part| Part::decode(part).unwrap().rows);
    let name = |uri: &str| uri.rsplit_once('/').unwrap().1.to_owned();
    rows.filter_map(|row| Some(format!("{} {}", name(&row.image), row.error?.code))).collect()
}
