//! Where batches live and where their tasks are queued, as flags and variables.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use batch::{BatchError, BatchId, Layout, QueueName, StoredBatch};
use clap::Args;
use program::Failure;
use queue::{Admin, AmqpUrl, Broker, Publisher, PublisherOptions, Topology};
use store::{Options, Store};

/// Where batches live.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// Where batches live: s3://bucket/prefix, or a directory (S3 itself is configured by the AWS_* variables)
    #[arg(long, value_name = "URL", env = "PIXELMILL_STORE")]
    pub store: String,
    /// Seconds for which an unavailable store is tried again
    #[arg(long, value_name = "SECONDS", env = "PIXELMILL_STORE_PATIENCE", default_value_t = 60)]
    pub store_patience: u32,
}

impl StoreArgs {
    /// How a store is reached.
    pub fn options(&self) -> Options {
        Options::patient_for(Duration::from_secs(self.store_patience.into()))
    }

    /// The store; nothing is contacted yet.
    pub async fn open(&self) -> Result<Store, Failure> {
        Ok(Store::open_with(&self.store, &self.options()).await?)
    }

    /// A batch that must be there.
    pub async fn batch(&self, id: &BatchId) -> Result<StoredBatch, Failure> {
        let store = self.open().await?;
        found(StoredBatch::find(&store, Layout::of(id)).await, id, &store)
    }
}

/// The batch, or a failure that says what to look at.
pub fn found(
    found: Result<Option<StoredBatch>, BatchError>,
    id: &BatchId,
    store: &Store,
) -> Result<StoredBatch, Failure> {
    match found? {
        Some(batch) if batch.manifest.batch == *id => Ok(batch),
        Some(batch) => Err(Failure::usage(format!(
            "the manifest of batch {id} in {store} says that it is batch {}; it was moved or copied by hand",
            batch.manifest.batch
        ))),
        None => Err(Failure::usage(format!("there is no batch {id} in {store}; `producer list` shows what is there"))),
    }
}

/// A text that is shown to nobody.
#[derive(Clone)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where tasks are queued.
#[derive(Args, Clone, Debug)]
pub struct BrokerArgs {
    /// RabbitMQ: amqp://user:password@host:5672/vhost; better in the variable, since others can see arguments
    #[arg(
        long,
        value_name = "URL",
        env = "PIXELMILL_AMQP_URL",
        hide_env_values = true,
        default_value = "amqp://guest:guest@localhost:5672/"
    )]
    pub amqp_url: Secret,
    /// Certificate (PEM) of a private authority that signed the broker's
    #[arg(long, value_name = "FILE", env = "PIXELMILL_AMQP_CA")]
    pub amqp_ca: Option<PathBuf>,
}

impl BrokerArgs {
    /// The broker; nothing is contacted yet.
    pub fn broker(&self) -> Result<Broker, Failure> {
        let url: AmqpUrl = self.amqp_url.0.parse()?;
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let broker = Broker::new(url, format!("producer on {}", host.trim()));
        Ok(match &self.amqp_ca {
            Some(file) => broker.with_ca_file(file)?,
            None => broker,
        })
    }
}

/// One queue of a broker.
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// Where it is.
    pub broker: Broker,
    /// What belongs to it.
    pub topology: Topology,
}

impl Queue {
    /// The queue `name`; nothing is contacted yet.
    pub fn new(broker: Broker, name: &QueueName) -> Result<Self, Failure> {
        Ok(Self { name: name.clone(), broker, topology: Topology::new(name.as_str())? })
    }

    /// For looking at it and setting it up.
    pub fn admin(&self) -> Admin {
        Admin::new(&self.broker, &self.topology)
    }

    /// For publishing to it.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(&self.broker, &self.topology, PublisherOptions::default())
    }
}

/// The queue that works a batch off. A batch of `worker classify` has none.
pub fn queue_of(batch: &StoredBatch) -> Result<&QueueName, Failure> {
    let missing = || {
        let id = &batch.manifest.batch;
        Failure::usage(format!("batch {id} has no queue: it was made by `worker classify`, which also goes on with it"))
    };
    batch.manifest.queue.as_ref().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Probe {
        #[command(flatten)]
        broker: BrokerArgs,
    }

    #[test]
    fn the_password_is_in_no_output() {
        for url in ["amqp://u:s3cret@host/", "amqp:/u:s3cret@", "amqp://u:s3cret@h:99999/"] {
            let probe = Probe::try_parse_from(["probe", "--amqp-url", url]).unwrap();
            assert!(!format!("{probe:?}").contains("s3cret"));
            match probe.broker.broker() {
                Ok(broker) => assert!(!format!("{broker:?}").contains("s3cret")),
                Err(failure) => assert!(failure.code == 64 && !failure.message.contains("s3cret")),
            }
        }
    }
}
