//! The store against this server: with and without faults.

mod conforms;
mod faults;
mod reading;
mod sources;
mod web;

use std::time::Duration;

use store::{Options, Store};

use super::S3Server;

const BUCKET: &str = "results";

/// A server with one bucket, and a store in it.
struct Pair {
    server: S3Server,
    store: Store,
}

/// Long enough for any test on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

impl Pair {
    async fn start() -> Pair {
        Pair::with(|options| options.patience = PATIENCE).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Pair {
        let server = S3Server::start().await.expect("a port is free");
        server.create_bucket(BUCKET);
        let mut options = server.options();
        change(&mut options);
        let store = Store::open_with(&format!("s3://{BUCKET}/a/store"), &options).await.expect("opened");
        Pair { server, store }
    }
}
