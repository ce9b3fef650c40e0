//! Dead letters: what came back too often, and what is no message of ours.

use std::time::Duration;

use futures::stream;
use queue::{DELIVERY_LIMIT, DeadLetters, Headers, MessageError, Outgoing, Settled, TaskMessage};
use tests::rabbitmq;

use crate::scene::{DIGEST, SOON, Scene, index, next, soon, task};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_always_comes_back_becomes_a_dead_letter_and_can_be_published_again() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    let trace =
        Headers::from([("traceparent".into(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into())]);
    let mut publisher = scene.publisher();
    let message = task(7).with_headers(trace.clone());
    soon(publisher.publish_all(stream::iter([message]))).await.unwrap();
    let mut consumer = scene.consumer(1);
    for attempt in 0..=DELIVERY_LIMIT as u32 {
        let delivery = next(&mut consumer).await;
        assert_eq!((delivery.attempts(), delivery.is_redelivered()), (attempt, attempt > 0));
        assert_eq!(delivery.headers, trace);
        assert_eq!(delivery.give_back().await, Settled::Sent);
    }
    until_dead(&mut scene, 1).await;
    consumer.stop(SOON).await;

    let mut dead = DeadLetters::open(&scene.broker, &scene.topology).await.unwrap();
    let letters = dead.take(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    for letter in letters {
        let task = TaskMessage::parse(&letter.body).unwrap().isolated();
        let again = Outgoing::from(&task).with_headers(letter.headers.clone());
        assert_eq!(soon(publisher.publish_all(stream::iter([again]))).await.unwrap().messages, 1);
        assert_eq!(letter.ack().await, Settled::Sent);
    }
    dead.close().await;
    let mut consumer = scene.consumer(1);
    let again = next(&mut consumer).await;
    assert_eq!((again.attempts(), &again.headers), (0, &trace));
    assert!(TaskMessage::parse(&again.body).unwrap().is_isolated());
    assert_eq!(again.ack().await, Settled::Sent);
    consumer.stop(SOON).await;
    scene.assert_empty(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_that_were_taken_and_not_acked_return() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    scene.publish(5).await;
    let mut consumer = scene.consumer(5);
    for _ in 0..5 {
        assert_eq!(next(&mut consumer).await.reject().await, Settled::Sent);
    }
    consumer.stop(SOON).await;
    until_dead(&mut scene, 5).await;
    // Many times more than the broker's default limit, after which RabbitMQ 4 would drop them.
    for _ in 0..30 {
        let mut dead = DeadLetters::open(&scene.broker, &scene.topology).await.unwrap();
        assert_eq!(dead.take(3).await.unwrap().len(), 3);
        assert_eq!(dead.take(3).await.unwrap().len(), 2, "those taken do not come twice");
        dead.close().await;
        until_dead(&mut scene, 5).await;
    }
    let mut dead = DeadLetters::open(&scene.broker, &scene.topology).await.unwrap();
    let mut letters = dead.take(100).await.unwrap();
    letters.sort_by_key(index);
    assert_eq!(letters.iter().map(index).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    for letter in letters {
        assert_eq!(letter.ack().await, Settled::Sent);
    }
    dead.close().await;
    scene.assert_empty(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_hostile_messages_are_told_from_tasks() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    let mut publisher = scene.publisher();
    soon(publisher.publish_all(stream::iter((0..200).map(|n| Outgoing::raw(hostile(n)))))).await.unwrap();
    soon(publisher.publish_all(stream::iter([task(1)]))).await.unwrap();
    let mut consumer = scene.consumer(50);
    let (mut refused, mut tasks) = (0, 0);
    for _ in 0..201 {
        let delivery = next(&mut consumer).await;
        match TaskMessage::parse(&delivery.body) {
            Ok(task) => {
                assert_eq!(task.task(), 1);
                tasks += 1;
            }
            Err(reason) => {
                assert!(reason.to_string().len() < 150, "{reason}");
                assert_eq!(matches!(reason, MessageError::TooLarge(_)), delivery.body.len() > queue::MAX_MESSAGE);
                refused += 1;
            }
        }
        assert_eq!(delivery.ack().await, Settled::Sent);
    }
    assert_eq!((refused, tasks), (200, 1));
    consumer.stop(SOON).await;
    scene.assert_empty(&node).await;
}

/// The `n`-th of a family of messages that nobody of ours would send.
fn hostile(n: usize) -> Vec<u8> {
    let with =
        |batch: &str, manifest: &str| format!(r#"{{"v":1,"batch":"{batch}","task":{n},"manifest":"{manifest}"}}"#);
    match n % 10 {
        0 => Vec::new(),
        1 => vec![b'{'; n + 1],
        2 => (0..=255).cycle().skip(n).take(300).collect(),
        3 => vec![b'x'; 100_000 + n],
        4 => with("../../../etc/passwd", DIGEST).into_bytes(),
        5 => with("photos", &"f".repeat(n % 64)).into_bytes(),
        6 => with("photos", DIGEST).replace("\"v\":1", &format!("\"v\":{}", n + 1)).into_bytes(),
        7 => with("PHOTOS/x", DIGEST).into_bytes(),
        8 => with("photos", DIGEST).replace("\"v\":1", &format!("\"v\":1,\"x{n}\":null")).into_bytes(),
        _ => "[".repeat(n).into_bytes(),
    }
}

async fn until_dead(scene: &mut Scene, count: u32) {
    let start = std::time::Instant::now();
    while scene.admin.dead_depth().await.unwrap().ready != count {
        assert!(start.elapsed() < SOON, "{:?}, not {count} dead letters", scene.admin.dead_depth().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
