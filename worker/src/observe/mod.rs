//! What a worker shows of itself: metrics for Prometheus, and whether it lives and can work for Kubernetes.

mod exposition;
mod health;
mod labels;
mod metrics;
mod server;
mod values;

pub use health::{beat, health};
pub use labels::{EngineEnd, EngineStart, LetterEnd, ModelPlace, Source, Stage, TaskEnd, TrialEnd};
pub use metrics::metrics;
pub use server::serve;
