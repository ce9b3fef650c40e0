//! What is declared, and what is said when it cannot be.

use std::time::Duration;

use queue::{Admin, AmqpUrl, Broker, QueueError, Topology};
use serde_json::json;
use tests::proxy::TcpProxy;
use tests::rabbitmq;

use crate::scene::{Scene, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topology_is_declared_as_documented_and_repaired() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::undeclared(&node);
    assert_eq!(scene.admin.exists().await, Ok(false));
    assert!(matches!(scene.admin.depth().await, Err(QueueError::Missing { .. })));
    scene.admin.declare().await.unwrap();
    scene.admin.declare().await.unwrap();
    assert_eq!(scene.admin.exists().await, Ok(true));

    let (name, dead) = (scene.topology.queue(), scene.topology.dead());
    let queue = node.queue(name).await.unwrap().unwrap();
    let expected = json!({
        "x-queue-type": "quorum",
        "x-delivery-limit": 20,
        "x-dead-letter-exchange": dead,
        "x-dead-letter-routing-key": dead,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    });
    assert_eq!((queue.durable, json!(queue.arguments)), (true, expected));
    let letters = node.queue(dead).await.unwrap().unwrap();
    let expected = json!({"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000});
    assert_eq!((letters.durable, json!(letters.arguments)), (true, expected));
    assert_eq!(node.bindings(dead).await.unwrap(), [dead]);

    node.unbind(dead).await.unwrap();
    assert!(node.bindings(dead).await.unwrap().is_empty());
    scene.admin.declare().await.unwrap();
    assert_eq!(node.bindings(dead).await.unwrap(), [dead]);

    scene.publish(3).await;
    assert_eq!(scene.admin.purge().await, Ok(3));
    scene.admin.delete().await.unwrap();
    assert_eq!(scene.admin.exists().await, Ok(false));
    scene.admin.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_with_other_arguments_is_a_clear_refusal() {
    let node = rabbitmq::shared().await;
    let mut scene = Scene::undeclared(&node);
    let name = scene.topology.queue().to_owned();
    node.declare_plain_queue(&name).await.unwrap();
    let error = scene.admin.declare().await.unwrap_err();
    assert_eq!(error.exit_code(), 64, "{error}");
    let text = error.to_string();
    assert!(text.contains(&name) && text.contains("other arguments") && text.contains("another queue name"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_or_virtual_host_is_the_users_to_correct() {
    let node = rabbitmq::shared().await;
    let topology = Topology::new("any").unwrap();
    let address = node.address();
    for url in [format!("amqp://guest:s3cret@{address}"), format!("amqp://guest:guest@{address}/nowhere")] {
        let broker = Broker::new(url.parse().unwrap(), "tests");
        let error = Admin::new(&broker, &topology).declare().await.unwrap_err();
        assert_eq!(error.exit_code(), 64, "{error}");
        assert!(!error.is_transient());
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert!(error.to_string().contains("check"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_or_silent_is_unavailable_within_its_time() {
    let node = rabbitmq::shared().await;
    let scene = Scene::undeclared(&node);
    let proxy = TcpProxy::start(node.address()).unwrap();
    let nobody: AmqpUrl = "amqp://127.0.0.1:1".parse().unwrap();
    proxy.stall(true);
    let silent = scene.through(proxy.address()).with_connect_timeout(Duration::from_secs(3));
    for broker in [Broker::new(nobody, "tests"), silent] {
        let error = soon(Admin::new(&broker, &scene.topology).declare()).await.unwrap_err();
        assert_eq!(error.exit_code(), 75, "{error}");
        assert!(error.to_string().contains("PIXELMILL_AMQP_URL"), "{error}");
    }
}
