//! `k8s-jobs` on a real cluster: the overlays as they are, RabbitMQ and S3 inside, every case ending in `producer verify`.
//! `tests/run` starts it where it finds a cluster; it takes over the namespace `pixelmill`, and drains a node.

mod batch;
mod cluster;
mod completion;
mod faults;
mod image;
mod job;
mod kubectl;
mod newcomer;
mod overlays;
mod refused;
mod rollout;
mod scaling;
mod schedule;
