//! How to reach the broker, and one connection to it. Every wait here has a time limit.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use lapin::tcp::{AMQPUriTcpExt, OwnedTLSConfig};
use lapin::{Channel, Connection, ConnectionProperties};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::QueueError;
use crate::url::AmqpUrl;

/// A broker asked for an answer on an open connection gives it within this time, or counts as gone.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// Closing is a courtesy; the broker notices a lost connection by itself.
const CLOSE: Duration = Duration::from_secs(2);
/// What to do about a broker that nobody reaches.
const REMEDY: &str = "is RabbitMQ running there? PIXELMILL_AMQP_URL or --amqp-url says where, with user, password and \
                      virtual host";

/// The address of a broker and how to connect to it. Cheap to clone; holds no connection.
#[derive(Debug, Clone)]
pub struct Broker {
    url: AmqpUrl,
    name: String,
    ca: Option<String>,
    heartbeat: u16,
    connect_timeout: Duration,
}

impl Broker {
    /// The broker at `url`; `name` is shown for each connection in the broker's user interface (program and host).
    /// Connecting may take 10 s, and a broker that is silent for two heartbeats of 20 s counts as gone.
    pub fn new(url: AmqpUrl, name: impl Into<String>) -> Broker {
        let connect_timeout = Duration::from_secs(10);
        Broker { url, name: name.into(), ca: None, heartbeat: 20, connect_timeout }
    }

    /// Trusts the certificates in `file` (PEM) besides those of the system.
    ///
    /// # Errors
    /// `Config` when the file cannot be read or holds no certificate.
    pub fn with_ca_file(mut self, file: &Path) -> Result<Broker, QueueError> {
        let wrong = |why: String| {
            let what = format!("CA file {}: {why}", file.display());
            QueueError::config(what, "give a readable file of PEM certificates")
        };
        let pem = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        match certificates {
            Ok(found) if !found.is_empty() => self.ca = Some(pem),
            Ok(_) => return Err(wrong("it holds no certificate".into())),
            Err(e) => return Err(wrong(e.to_string())),
        }
        Ok(self)
    }

    /// Heartbeats every `seconds` (at least 1): after twice that time without a sign of life the connection is given up.
    pub fn with_heartbeat(mut self, seconds: u16) -> Broker {
        self.heartbeat = seconds.max(1);
        self
    }

    /// How long TCP, TLS and the AMQP handshake may take together.
    pub fn with_connect_timeout(mut self, limit: Duration) -> Broker {
        self.connect_timeout = limit;
        self
    }

    /// The address; it prints without its password.
    pub fn url(&self) -> &AmqpUrl {
        &self.url
    }

    /// Connects; `role` completes the connection's name.
    ///
    /// # Errors
    /// `Config` when the broker refuses this user, virtual host or certificate, else `Unavailable`.
    pub(crate) async fn connect(&self, role: &str) -> Result<Link, QueueError> {
        install_crypto();
        let what = format!("connecting to {}", self.url);
        let runtime = lapin::runtime::default_runtime().map_err(|e| QueueError::Unavailable(e.to_string()))?;
        let uri = self.url.uri(self.heartbeat);
        let tls = OwnedTLSConfig { identity: None, cert_chain: self.ca.clone() };
        let name = format!("{} {role}", self.name);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connecting = async {
            // The socket is opened here and not by lapin's thread, which a silent address would hold for minutes.
            let stream = uri.connect_with_config_async(tls.as_ref(), &runtime).await.map_err(lapin::Error::from)?;
            let once = Mutex::new(Some(stream));
            let hand_over = async move |_, _| {
                let stream = once.lock().unwrap_or_else(|e| e.into_inner()).take();
                stream.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected).into())
            };
            Connection::connector(uri.clone(), runtime.clone(), hand_over, properties).await
        };
        let connected = match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(Ok(connection)) => Ok(Link { connection }),
            Ok(Err(error)) => Err(QueueError::from_lapin(&what, "", &error)),
            Err(_) => Err(QueueError::timeout(&what, self.connect_timeout)),
        };
        connected.map_err(|error| match error {
            QueueError::Unavailable(why) => QueueError::Unavailable(format!("{why}; {REMEDY}")),
            error => error,
        })
    }
}

/// One connection. Dropping it closes it without waiting.
pub(crate) struct Link {
    connection: Connection,
}

impl Link {
    pub(crate) async fn channel(&self) -> Result<Channel, QueueError> {
        within("opening a channel", "", self.connection.create_channel()).await
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.status().connected()
    }

    /// Whether the broker has stopped reading from us because its memory or disk is short.
    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    pub(crate) async fn close(self) {
        let closing = self.connection.close(200, "done".into());
        if let Ok(Err(error)) = tokio::time::timeout(CLOSE, closing).await {
            tracing::debug!(%error, "the connection was closed before");
        }
    }
}

/// Waits for the broker's answer to `what`, which concerns `queue`, for at most [`ANSWER`].
pub(crate) async fn within<T>(
    what: &str,
    queue: &str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, QueueError> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(result) => result.map_err(|error| QueueError::from_lapin(what, queue, &error)),
        Err(_) => Err(QueueError::timeout(what, ANSWER)),
    }
}

/// Two providers in one process make rustls panic unless one is chosen; who chose before us is right too.
fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _raced = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}
