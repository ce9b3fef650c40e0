//! The distributed path with the real binaries, a real RabbitMQ node and an S3 server that misbehaves on command. Every
//! scene ends in a check: each image has exactly one row, the rows are those of a calm run, nothing is left on the queue.

mod batches;
mod broker;
mod etl;
mod features;
mod forgotten;
mod killed;
mod poison;
mod steps;
mod unreliable_store;
