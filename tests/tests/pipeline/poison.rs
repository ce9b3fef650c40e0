//! Images and messages that mean harm.

use batch::{ErrorCode, Part};
use queue::{AmqpUrl, Broker, Outgoing, Publisher, PublisherOptions, Topology};
use tests::rabbitmq;

use tests::running::ended;
use tests::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn poisoned_images_get_error_rows_and_their_neighbours_are_classified() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(16);
    for (at, order) in [(2, "abort"), (5, "hang"), (6, "allocate")] {
        scene.s3.put("photos", &format!("{at:05}.png"), format!("PIXELMILL-TEST:{order}"));
    }
    scene.enqueue_with("poison", &["--task-size", "8", "--image-timeout", "10"]).await;
    assert_eq!(ended(scene.worker("poison")).await, Some(0));
    scene.verify("poison").await;
    let parts = scene.parts("poison");
    let rows = parts.values().flat_map(|part| Part::decode(part).unwrap().rows);
    let failed: Vec<_> = rows.filter_map(|row| Some((row.image, row.error?.code))).collect();
    let expected = [("00002", ErrorCode::Crashed), ("00005", ErrorCode::Timeout), ("00006", ErrorCode::Crashed)];
    assert_eq!(failed, expected.map(|(name, code)| (format!("s3://photos/{name}.png"), code)));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_poisoned_images_in_one_task_cost_no_neighbour_and_no_worker() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(64);
    let orders = ["abort", "allocate", "hang", "abort", "exit", "panic", "allocate", "abort", "hang", "abort"];
    let poisoned: Vec<_> = orders.iter().enumerate().map(|(at, order)| (at * 7, order)).collect();
    for (at, order) in &poisoned {
        scene.s3.put("photos", &format!("{at:05}.png"), format!("PIXELMILL-TEST:{order}"));
    }
    scene.enqueue_with("poison", &["--task-size", "64", "--image-timeout", "10"]).await;
    // One worker, and it is the same one to the end.
    assert_eq!(ended(scene.worker("poison")).await, Some(0));
    scene.verify("poison").await;
    let parts = scene.parts("poison");
    assert_eq!(parts.len(), 1);
    let rows = Part::decode(parts.values().next().unwrap()).unwrap().rows;
    for (at, row) in rows.iter().enumerate() {
        let expected = poisoned.iter().find(|(poisoned, _)| *poisoned == at).map(|(_, order)| match **order {
            "hang" => ErrorCode::Timeout,
            _ => ErrorCode::Crashed,
        });
        assert_eq!(row.error.as_ref().map(|error| error.code), expected, "image {at}");
        assert_eq!(row.label.is_some(), expected.is_none(), "image {at}");
    }
    scene.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_messages_are_set_aside_and_the_batch_is_finished() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(16);
    let broker = Broker::new(node.url().parse::<AmqpUrl>().unwrap(), "hostile");
    let topology = Topology::new(&scene.queue).unwrap();
    let mut publisher = Publisher::new(&broker, &topology, PublisherOptions::default());
    let digest = "0".repeat(64);
    let hostile = (0..200).map(|at: usize| match at % 5 {
        0 => vec![at as u8; 100],
        1 => format!("{{\"v\":1,\"batch\":\"../../etc\",\"task\":{at},\"manifest\":\"{digest}\"}}").into_bytes(),
        2 => format!("{{\"v\":1,\"batch\":\"unknown-{at}\",\"task\":0,\"manifest\":\"{digest}\"}}").into_bytes(),
        3 => format!("{{\"v\":9,\"batch\":\"hostile\",\"task\":{at}}}").into_bytes(),
        // Of the largest that RabbitMQ takes, one; smaller ones often.
        _ if at == 4 => vec![b'x'; 15_000_000],
        _ => vec![b'x'; 100_000 + at],
    });
    publisher.publish_all(futures::stream::iter(hostile.map(Outgoing::raw))).await.unwrap();
    publisher.close().await;
    scene.enqueue("hostile").await;
    assert_eq!(ended(scene.worker("hostile")).await, Some(0));
    scene.verify("hostile").await;
    let prefix = format!("store/queues/{}/aside/", scene.queue);
    let aside = scene.s3.objects("results").keys().filter(|key| key.starts_with(&prefix)).count();
    assert_eq!(aside, 200);
    scene.drain().await;
}
