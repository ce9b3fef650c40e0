//! Acks, returns and stops: an answer reaches its own message or none.

use std::time::Duration;

use queue::{ConsumerOptions, Settled};
use tests::proxy::TcpProxy;
use tests::rabbitmq;

use crate::scene::{SOON, Scene, consumer, index, next, soon, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ack_after_a_reconnect_acks_no_other_message() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    scene.publish(5).await;
    let proxy = TcpProxy::start(node.address()).unwrap();
    let mut consumer = consumer(&scene.through(proxy.address()), &scene.topology, 5);
    let mut old = Vec::new();
    for _ in 0..5 {
        old.push(next(&mut consumer).await);
    }
    proxy.reset();
    // The new connection numbers its deliveries from 1 again: the tags of the old ones are valid there.
    let mut new = Vec::new();
    for _ in 0..5 {
        new.push(next(&mut consumer).await);
    }
    for delivery in old {
        assert!(!delivery.is_current());
        assert_eq!(delivery.ack().await, Settled::Lost);
    }
    let kept = new.split_off(2);
    let mut acked: Vec<u64> = new.iter().map(index).collect();
    for delivery in new {
        assert_eq!(delivery.ack().await, Settled::Sent);
    }
    drop(kept);
    assert_eq!(consumer.stop(SOON).await.unanswered, 0);
    scene.until_ready(3).await;

    let mut consumer = scene.consumer(5);
    for _ in 0..3 {
        let delivery = next(&mut consumer).await;
        assert!(delivery.is_redelivered());
        acked.push(index(&delivery));
        assert_eq!(delivery.ack().await, Settled::Sent);
    }
    acked.sort();
    assert_eq!(acked, [0, 1, 2, 3, 4], "every message was acked by its own handler");
    consumer.stop(SOON).await;
    scene.assert_empty(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_back_or_dropped_comes_again_one_attempt_older() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    scene.publish(1).await;
    let mut consumer = scene.consumer(1);
    let first = next(&mut consumer).await;
    assert_eq!((first.attempts(), first.is_redelivered()), (0, false));
    assert_eq!(first.give_back().await, Settled::Sent);
    let second = next(&mut consumer).await;
    assert_eq!((second.attempts(), second.is_redelivered()), (1, true));
    drop(second);
    let third = next(&mut consumer).await;
    assert_eq!(third.attempts(), 2);
    assert_eq!(third.ack().await, Settled::Sent);
    consumer.stop(SOON).await;
    scene.assert_empty(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_work_end_within_its_grace_and_gives_everything_else_back() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    scene.publish(20).await;
    let mut consumer = scene.consumer(10);
    assert_eq!(next(&mut consumer).await.ack().await, Settled::Sent);
    let finishing = next(&mut consumer).await;
    let stopping = tokio::spawn(consumer.stop(SOON));
    // Work that ends within the grace is still acked, although everything else went back and nothing new comes.
    scene.until_ready(18).await;
    assert_eq!(finishing.ack().await, Settled::Sent);
    assert_eq!(soon(stopping).await.unwrap().unanswered, 0);
    scene.until_ready(18).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_no_longer_than_its_grace() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    scene.publish(20).await;
    let mut consumer = scene.consumer(10);
    let held = next(&mut consumer).await;
    assert_eq!(soon(consumer.stop(Duration::from_secs(1))).await.unanswered, 1);
    assert_eq!(held.ack().await, Settled::Lost);
    scene.until_ready(20).await;
    assert_eq!(scene.admin.depth().await.unwrap().consumers, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_with_nothing_in_use_is_immediate() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    scene.publish(20).await;
    let consumer = scene.consumer(10);
    let status = consumer.status();
    until("a delivery", || status.deliveries() >= 10).await;
    assert_eq!(soon(consumer.stop(10 * SOON)).await.unanswered, 0);
    scene.until_ready(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_consumer_lets_go_of_everything() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    scene.publish(4).await;
    let mut dropped = scene.consumer(4);
    let held = next(&mut dropped).await;
    drop(dropped);
    scene.until_ready(4).await;
    assert_eq!(held.ack().await, Settled::Lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_held_too_long_goes_to_another() {
    let node = rabbitmq::exclusive().await;
    let mut scene = Scene::new(&node).await;
    scene.publish(1).await;
    node.set_consumer_timeout(Duration::from_secs(1)).await.unwrap();
    let options = ConsumerOptions { prefetch: 1, ..ConsumerOptions::default() };
    let mut consumer = queue::Consumer::start(&scene.broker, &scene.topology, options);
    let slow = next(&mut consumer).await;
    // On a busy machine a second may pass again before the ack.
    loop {
        let again = next(&mut consumer).await;
        assert!(again.is_redelivered());
        if again.ack().await == Settled::Sent {
            break;
        }
    }
    assert_eq!(slow.ack().await, Settled::Lost);
    assert!(consumer.status().reconnects() >= 1);
    node.set_consumer_timeout(Duration::from_secs(1800)).await.unwrap();
    consumer.stop(SOON).await;
    scene.assert_empty(&node).await;
}
