//! What every test starts from: a declared queue with a name of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::stream;
use queue::{
    Admin, AmqpUrl, Broker, Consumer, ConsumerOptions, Delivery, Depth, Outgoing, Publisher, PublisherOptions,
    TaskMessage, Topology,
};
use tests::rabbitmq::Node;

/// Long enough for a busy machine, short enough for a test that hangs.
pub const SOON: Duration = Duration::from_secs(180);
pub const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A queue of its own on a node, and how to reach it.
pub struct Scene {
    pub broker: Broker,
    pub topology: Topology,
    pub admin: Admin,
}

impl Scene {
    /// With everything declared.
    pub async fn new(node: &Node) -> Scene {
        let mut scene = Scene::undeclared(node);
        scene.admin.declare().await.expect("declared");
        scene
    }

    /// With nothing on the broker.
    pub fn undeclared(node: &Node) -> Scene {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let url: AmqpUrl = node.url().parse().expect("a URL");
        let broker = Broker::new(url, "tests");
        let topology = Topology::new(&name).expect("a name");
        let admin = Admin::new(&broker, &topology);
        Scene { broker, topology, admin }
    }

    /// The same broker at another address, as behind a proxy.
    pub fn through(&self, address: SocketAddr) -> Broker {
        let url = self.broker.url().with_authority(&address.ip().to_string(), address.port());
        Broker::new(url, "tests through a proxy")
    }

    pub fn publisher(&self) -> Publisher {
        Publisher::new(&self.broker, &self.topology, PublisherOptions::default())
    }

    /// Publishes the tasks 0 to `count`.
    pub async fn publish(&self, count: u64) {
        let mut publisher = self.publisher();
        let published = soon(publisher.publish_all(stream::iter(tasks(count)))).await.expect("published");
        assert_eq!(published.messages, count);
        publisher.close().await;
    }

    pub fn consumer(&self, prefetch: u16) -> Consumer {
        consumer(&self.broker, &self.topology, prefetch)
    }

    /// Waits until the queue shows this many waiting messages.
    pub async fn until_ready(&mut self, ready: u32) {
        let start = Instant::now();
        loop {
            let depth = self.admin.depth().await;
            if depth.as_ref().is_ok_and(|depth| depth.ready == ready) {
                return;
            }
            assert!(start.elapsed() < SOON, "{depth:?}, not {ready} ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Nothing waits and nobody holds anything: all consumers are gone and the queue is empty.
    pub async fn assert_empty(&mut self, node: &Node) {
        self.until_ready(0).await;
        let start = Instant::now();
        loop {
            // What a broker that has just come back lists may be of the time before.
            let queue = node.queue(self.topology.queue()).await.expect("the list").expect("the queue");
            if (queue.messages_ready, queue.messages_unacknowledged) == (0, 0) {
                break;
            }
            assert!(start.elapsed() < SOON, "{queue:?}");
        }
        assert_eq!(self.admin.dead_depth().await.map(|Depth { ready, .. }| ready), Ok(0));
    }
}

pub fn consumer(broker: &Broker, topology: &Topology, prefetch: u16) -> Consumer {
    Consumer::start(broker, topology, ConsumerOptions { prefetch, probe: Duration::from_secs(1) })
}

pub fn task(n: u64) -> Outgoing {
    Outgoing::from(&TaskMessage::new("photos", n, DIGEST).expect("a task"))
}

pub fn tasks(count: u64) -> impl Iterator<Item = Outgoing> {
    (0..count).map(task)
}

/// The index of the task that a delivery names.
pub fn index(delivery: &Delivery) -> u64 {
    TaskMessage::parse(&delivery.body).expect("a task").task()
}

/// The next message, soon.
pub async fn next(consumer: &mut Consumer) -> Delivery {
    soon(consumer.next()).await.expect("a delivery")
}

/// Waits for `condition`, which something else brings about.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < SOON, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn soon<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, wait).await.expect("it takes too long")
}
