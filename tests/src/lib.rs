//! The harness of the end-to-end tests: real servers of their own, and proxies that misbehave; scenes with the two programs,
//! and storms that go over them.

pub mod cgroup;
pub mod http;
pub mod proxy;
pub mod rabbitmq;
pub mod running;
pub mod s3;
pub mod scene;
pub mod soak;
pub mod storm;
