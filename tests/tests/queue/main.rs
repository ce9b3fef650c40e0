//! The queue against a real, private RabbitMQ node.

mod answering;
mod consuming;
mod dead_letters;
mod publishing;
mod scene;
mod setup;
