#![doc = include_str!("../README.md")]

mod admin;
mod broker;
mod consumer;
mod dead;
mod delivery;
mod error;
mod headers;
mod message;
mod outgoing;
mod patience;
mod publisher;
mod session;
mod status;
mod topology;
mod url;
mod window;

pub use admin::{Admin, Depth};
pub use broker::Broker;
pub use consumer::{Consumer, ConsumerOptions, Stopped};
pub use dead::DeadLetters;
pub use delivery::{Delivery, Settled};
pub use error::QueueError;
pub use headers::Headers;
pub use message::{MAX_MESSAGE, MessageError, TaskMessage};
pub use outgoing::{Outgoing, Published, PublisherOptions};
pub use publisher::Publisher;
pub use status::ConsumerStatus;
pub use topology::{DELIVERY_LIMIT, Topology};
pub use url::AmqpUrl;
