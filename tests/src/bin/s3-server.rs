//! The test S3 server on its own, for trying things by hand and for measuring: `s3-server [PORT [BUCKET…]]`.

use anyhow::{Context, Result};
use tests::s3::S3Server;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what it prints is what a shell sets: eval \"$(…)\"")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse()).context("the first argument is a port")?;
    let server = S3Server::start_on(port).await.context("the port cannot be bound")?;
    for bucket in arguments {
        server.create_bucket(&bucket);
    }
    for (name, value) in server.environment() {
        println!("export {name}={value}");
    }
    tokio::signal::ctrl_c().await.context("no signals")
}
