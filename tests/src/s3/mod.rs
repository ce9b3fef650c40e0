//! An S3 server in this process: it verifies signatures, keeps everything in memory, and misbehaves on command.

mod backend;
mod faults;
mod listing;
mod objects;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use bytes::Bytes;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use store::{Credentials, Options};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use backend::Backend;
use objects::Objects;

pub use faults::{Faults, Plan};

/// The only credentials that the server takes.
pub const ACCESS_KEY: &str = "pixelmill-test";
/// See [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "not-a-secret";

/// A running server; it ends when dropped.
pub struct S3Server {
    url: String,
    faults: Faults,
    objects: Objects,
    task: JoinHandle<()>,
}

impl S3Server {
    /// Starts a server without buckets on a free port of the loopback interface.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start() -> io::Result<S3Server> {
        S3Server::start_on(0).await
    }

    /// As [`start`](S3Server::start), on a given port.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start_on(port: u16) -> io::Result<S3Server> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (faults, objects) = (Faults::default(), Objects::default());
        let mut builder = S3ServiceBuilder::new(Backend { objects: objects.clone(), faults: faults.clone() });
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let task = tokio::spawn(wire::serve(listener, builder.build(), faults.clone()));
        Ok(S3Server { url, faults, objects, task })
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What goes wrong from now on.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How a [`store::Store`] in this process reaches the server.
    pub fn options(&self) -> Options {
        Options {
            endpoint: Some(self.url.clone()),
            credentials: Some(Credentials::new(ACCESS_KEY, SECRET_KEY)),
            ..Options::default()
        }
    }

    /// How a child process reaches the server: variables to set.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL_S3", self.url.clone()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ]
    }

    /// Creates a bucket, unless it is there.
    pub fn create_bucket(&self, bucket: &str) {
        self.objects.create_bucket(bucket);
    }

    /// Puts an object, past the network and all faults.
    ///
    /// # Panics
    /// If there is no such bucket.
    pub fn put(&self, bucket: &str, key: &str, content: impl Into<Bytes>) {
        let put = self.objects.put(bucket, key, objects::Object::new(content.into(), None), false);
        put.expect("there is a bucket of this name");
    }

    /// All objects of a bucket, past the network and all faults.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Bytes> {
        self.objects.all(bucket)
    }

    /// The ETag of an object, past the network and all faults.
    pub fn etag(&self, bucket: &str, key: &str) -> Option<String> {
        self.objects.get(bucket, key).ok().map(|object| object.etag)
    }

    /// Lets an object look as if it had been modified at this time.
    pub fn set_modified(&self, bucket: &str, key: &str, time: SystemTime) {
        self.objects.set_modified(bucket, key, time);
    }

    /// Removes an object, past the network and all faults.
    pub fn remove(&self, bucket: &str, key: &str) {
        let _no_such_bucket = self.objects.delete(bucket, key);
    }

    /// How many multipart uploads are begun and neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.objects.open_uploads()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
