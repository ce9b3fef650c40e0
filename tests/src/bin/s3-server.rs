//! The test S3 server on its own, for trying things by hand and for measuring: `s3-server [PORT [BUCKET…]]`. A bucket
//! written as `photos=1000000` holds so many small objects.

use anyhow::{Context, Result};
use tests::s3::S3Server;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what it prints is what a shell sets: eval \"$(…)\"")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse()).context("the first argument is a port")?;
    let server = S3Server::start_on(port).await.context("the port cannot be bound")?;
    for bucket in arguments {
        let (bucket, objects) = bucket.split_once('=').unwrap_or((&bucket, "0"));
        server.create_bucket(bucket);
        for at in 0..objects.parse::<u64>().context("after = comes a number of objects")? {
            server.put(bucket, &format!("incoming/{:05}/{at:08}.jpg", at / 1000), at.to_string());
        }
    }
    for (name, value) in server.environment() {
        println!("export {name}={value}");
    }
    tokio::signal::ctrl_c().await.context("no signals")
}
