//! A private RabbitMQ node on its own, for trying things by hand and for measuring: `rabbitmq-node`. It ends with this process.

use anyhow::{Context, Result};
use tests::rabbitmq::Node;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what it prints is what a shell sets: eval \"$(…)\"")]
async fn main() -> Result<()> {
    let node = Node::start().await?;
    println!("export PIXELMILL_AMQP_URL={}", node.url());
    tokio::signal::ctrl_c().await.context("no signals")
}
