//! Consuming through every loss: all messages come, each is acked by its own handler, none is left.

use std::collections::BTreeSet;
use std::time::Duration;

use queue::{Broker, Consumer, Settled};
use tests::proxy::TcpProxy;
use tests::rabbitmq;
use tokio::task::JoinHandle;

use crate::scene::{SOON, Scene, consumer, index, next, soon, until};

const COUNT: u64 = 120;
const HALF: usize = COUNT as usize / 2;

/// Works off `COUNT` messages, each for a moment and several at a time, and stops when each was acked with success.
/// Reports the number of those acked on `progress`.
fn work(mut consumer: Consumer, progress: tokio::sync::watch::Sender<usize>) -> JoinHandle<Consumer> {
    tokio::spawn(async move {
        let mut acked = BTreeSet::new();
        let mut handlers = tokio::task::JoinSet::new();
        while (acked.len() as u64) < COUNT {
            tokio::select! {
                delivery = consumer.next() => {
                    let delivery = delivery.expect("a delivery");
                    handlers.spawn(async move {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        (index(&delivery), delivery.ack().await)
                    });
                }
                Some(handled) = handlers.join_next() => {
                    let (index, settled) = handled.expect("a handler");
                    if settled == Settled::Sent {
                        acked.insert(index);
                        progress.send_replace(acked.len());
                    }
                }
            }
        }
        consumer
    })
}

/// Publishes, lets a worker on `broker` do half of it, then calls `disturb`; the rest must be done without help.
async fn survives(scene: &mut Scene, broker: Broker, disturb: impl AsyncFnOnce()) -> Consumer {
    scene.publish(COUNT).await;
    let (progress, mut done) = tokio::sync::watch::channel(0);
    let worker = work(consumer(&broker, &scene.topology, 8), progress);
    soon(done.wait_for(|done| *done >= HALF / 2)).await.expect("progress");
    disturb().await;
    soon(worker).await.expect("the worker")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_and_reset_links_are_survived() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    let proxy = TcpProxy::start(node.address()).unwrap();
    let broker = scene.through(proxy.address());
    let consumer = survives(&mut scene, broker, async || {
        proxy.cut();
        until("a new link", || proxy.accepted() >= 2 && proxy.links() >= 1).await;
        proxy.reset();
    })
    .await;
    assert!(consumer.status().reconnects() >= 1);
    consumer.stop(SOON).await;
    scene.assert_empty(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_link_is_given_up_after_two_heartbeats() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    let proxy = TcpProxy::start(node.address()).unwrap();
    let broker = scene.through(proxy.address()).with_heartbeat(1);
    let consumer = survives(&mut scene, broker, async || {
        proxy.stall(true);
        until("a second link", || proxy.accepted() >= 2).await;
        proxy.stall(false);
    })
    .await;
    assert!(consumer.status().reconnects() >= 1);
    consumer.stop(SOON).await;
    scene.assert_empty(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_who_closes_connections_is_survived() {
    let node = rabbitmq::exclusive().await;
    let mut scene = Scene::new(&node).await;
    let broker = scene.broker.clone();
    let consumer = survives(&mut scene, broker, async || node.close_all_connections().await.unwrap()).await;
    consumer.stop(SOON).await;
    scene.assert_empty(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_restarts_crashes_and_freezes_is_survived() {
    let mut node = rabbitmq::exclusive().await;
    let mut scene = Scene::new(&node).await;
    let broker = scene.broker.clone().with_heartbeat(1);
    let consumer = survives(&mut scene, broker.clone(), async || {
        node.stop().await.unwrap();
        node.resume().await.unwrap();
    })
    .await;
    assert!(consumer.status().reconnects() >= 1);
    consumer.stop(SOON).await;
    let consumer = survives(&mut scene, broker.clone(), async || {
        node.kill().await.unwrap();
        node.resume().await.unwrap();
    })
    .await;
    consumer.stop(SOON).await;
    scene.publish(COUNT).await;
    let (progress, mut done) = tokio::sync::watch::channel(0);
    let consumer = consumer_of(&scene, &broker);
    let status = consumer.status();
    let worker = work(consumer, progress);
    soon(done.wait_for(|done| *done >= HALF / 2)).await.unwrap();
    node.freeze().unwrap();
    until("the loss is noticed", || !status.is_connected()).await;
    node.thaw().unwrap();
    soon(worker).await.unwrap().stop(SOON).await;
    scene.assert_empty(&node).await;
}

fn consumer_of(scene: &Scene, broker: &Broker) -> Consumer {
    consumer(broker, &scene.topology, 8)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_is_declared_again() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::new(&node).await;
    scene.publish(10).await;
    let mut consumer = scene.consumer(2);
    assert_eq!(next(&mut consumer).await.ack().await, Settled::Sent);
    scene.admin.delete().await.unwrap();
    let status = consumer.status();
    until("a new subscription", || status.reconnects() >= 1 && status.is_connected()).await;
    scene.publish(3).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        let delivery = next(&mut consumer).await;
        seen.insert(index(&delivery));
        assert_eq!(delivery.ack().await, Settled::Sent);
    }
    let arguments = node.queue(scene.topology.queue()).await.unwrap().unwrap().arguments;
    assert_eq!(arguments["x-dead-letter-exchange"], scene.topology.dead());
    assert_eq!(node.bindings(scene.topology.dead()).await.unwrap(), [scene.topology.dead()]);
    consumer.stop(SOON).await;
    scene.assert_empty(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_and_a_queue_that_come_late_are_waited_for() {
    let node = rabbitmq::shared().await;
    let scene = Scene::undeclared(&node);
    let proxy = TcpProxy::start(node.address()).unwrap();
    proxy.refuse(true);
    let mut consumer = consumer(&scene.through(proxy.address()), &scene.topology, 1);
    let status = consumer.status();
    until("an attempt", || status.trouble().is_some()).await;
    assert!(!status.is_connected());
    proxy.refuse(false);
    until("a subscription", || status.is_connected()).await;
    assert_eq!((status.trouble(), status.reconnects()), (None, 0));
    assert!(status.idle() > Duration::ZERO);
    scene.publish(1).await;
    let delivery = next(&mut consumer).await;
    assert!(status.idle() < SOON && status.deliveries() == 1);
    assert_eq!(delivery.ack().await, Settled::Sent);
    consumer.stop(SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_first_subscription_is_an_error_and_not_a_loop() {
    let node = rabbitmq::shared().await;
    let scene = Scene::undeclared(&node);
    let url = format!("amqp://guest:s3cret@{}", node.address()).parse().unwrap();
    let mut consumer = consumer(&Broker::new(url, "tests"), &scene.topology, 1);
    let error = soon(consumer.next()).await.unwrap_err();
    assert_eq!(error.exit_code(), 64, "{error}");
    consumer.stop(Duration::ZERO).await;
}
