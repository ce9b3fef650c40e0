//! Publishing: what counts as published is on the queue.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream;
use queue::{Publisher, PublisherOptions, QueueError};
use tests::proxy::TcpProxy;
use tests::rabbitmq;

use crate::scene::{SOON, Scene, index, next, soon, task, tasks, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_without_a_queue_is_not_published() {
    let node = rabbitmq::shared().await;
    let scene = Scene::undeclared(&node);
    let mut publisher = scene.publisher();
    let error = soon(publisher.publish_all(stream::iter(tasks(10)))).await.unwrap_err();
    assert_eq!(error, QueueError::Missing { queue: scene.topology.queue().to_owned() });
    assert!(error.to_string().contains("producer setup"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_comes_late_gets_every_message() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::undeclared(&node);
    let mut publisher = scene.publisher();
    for message in tasks(10) {
        soon(publisher.publish(message)).await.unwrap();
    }
    scene.admin.declare().await.unwrap();
    let published = soon(publisher.flush()).await.unwrap();
    assert_eq!(published.messages, 10);
    scene.until_ready(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_thousand_messages_are_confirmed_one_by_one() {
    const COUNT: u64 = 16_000;
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    scene.publish(COUNT).await;
    scene.until_ready(COUNT as u32).await;
    assert_eq!(scene.admin.purge().await, Ok(COUNT as u32));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_the_window_is_unconfirmed() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    let proxy = TcpProxy::start(node.address()).unwrap();
    let options = PublisherOptions { window: 10, ..PublisherOptions::default() };
    let mut publisher = Publisher::new(&scene.through(proxy.address()), &scene.topology, options);
    soon(publisher.publish(task(0))).await.unwrap();
    assert_eq!(soon(publisher.flush()).await.unwrap().messages, 1);
    proxy.stall(true);
    for n in 1..=10 {
        soon(publisher.publish(task(n))).await.unwrap();
    }
    let mut eleventh = Box::pin(publisher.publish(task(11)));
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut eleventh).await.is_err(), "the window is full");
    proxy.stall(false);
    soon(eleventh).await.unwrap();
    assert_eq!(soon(publisher.flush()).await.unwrap().messages, 11);
    scene.until_ready(12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_lose_no_message() {
    const COUNT: u64 = 3000;
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    let proxy = TcpProxy::start(node.address()).unwrap();
    let options = PublisherOptions { window: 100, ..PublisherOptions::default() };
    let mut publisher = Publisher::new(&scene.through(proxy.address()), &scene.topology, options);
    for n in 0..COUNT {
        match n {
            500 | 1500 => proxy.cut(),
            1000 | 2000 => proxy.reset(),
            _ => {}
        }
        soon(publisher.publish(task(n))).await.unwrap();
    }
    let published = soon(publisher.flush()).await.unwrap();
    assert_eq!(published.messages, COUNT);
    assert!(published.repeated > 0 && proxy.accepted() >= 5, "{published:?}");

    let mut consumer = scene.consumer(200);
    let mut seen = HashSet::new();
    let mut copies = 0;
    while (seen.len() as u64) < COUNT || scene.admin.depth().await.unwrap().ready > 0 {
        let delivery = next(&mut consumer).await;
        seen.insert(index(&delivery));
        copies += 1;
        delivery.ack().await;
    }
    assert!(copies <= COUNT + published.repeated, "{copies} copies, {published:?}");
    consumer.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_alarm_is_waited_for_and_named_when_it_takes_too_long() {
    let node = rabbitmq::exclusive().await;
    let mut scene = Scene::new(&node).await;
    let mut patient = scene.publisher();
    let options = PublisherOptions { blocked_timeout: Duration::from_secs(1), ..PublisherOptions::default() };
    let mut hasty = Publisher::new(&scene.broker, &scene.topology, options);
    node.set_memory_alarm(true).await.unwrap();
    let error = soon(hasty.publish_all(stream::iter(tasks(3)))).await.unwrap_err();
    assert!(error.to_string().contains("blocked publishing"), "{error}");
    assert_eq!(error.exit_code(), 75);
    let waiting = tokio::spawn(async move { patient.publish_all(stream::iter(tasks(5))).await });
    // The consumer's connection is another one: acks still go out.
    assert_eq!(scene.admin.exists().await, Ok(true));
    assert!(!waiting.is_finished());
    node.set_memory_alarm(false).await.unwrap();
    assert_eq!(soon(waiting).await.unwrap().unwrap().messages, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_crashes_loses_no_confirmed_message() {
    let mut node = rabbitmq::exclusive().await;
    let mut scene = Scene::new(&node).await;
    let options =
        PublisherOptions { window: 50, confirm_timeout: Duration::from_secs(5), ..PublisherOptions::default() };
    let mut publisher = Publisher::new(&scene.broker, &scene.topology, options);
    for n in 0..300 {
        soon(publisher.publish(task(n))).await.unwrap();
    }
    node.kill().await.unwrap();
    let rest = tokio::spawn(async move {
        for n in 300..600 {
            publisher.publish(task(n)).await?;
        }
        publisher.flush().await
    });
    node.resume().await.unwrap();
    assert_eq!(soon(rest).await.unwrap().unwrap().messages, 600);
    let mut consumer = scene.consumer(100);
    let status = consumer.status();
    let mut seen = HashSet::new();
    while seen.len() < 600 || scene.admin.depth().await.unwrap().ready > 0 {
        let delivery = next(&mut consumer).await;
        seen.insert(index(&delivery));
        delivery.ack().await;
    }
    consumer.stop(SOON).await;
    until("the end", || !status.is_connected()).await;
    scene.assert_empty(&node).await;
}
