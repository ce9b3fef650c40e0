//! The harness of the end-to-end tests: real servers of their own, and proxies that misbehave.

pub mod proxy;
pub mod rabbitmq;
pub mod s3;
