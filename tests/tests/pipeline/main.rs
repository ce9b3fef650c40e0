//! The distributed path with the real binaries, a real RabbitMQ node and an S3 server that misbehaves on command. Every
//! scene ends in `producer verify`: each image has exactly one row.

mod batches;
mod faults;
mod poison;
mod scene;
