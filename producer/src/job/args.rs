//! The flags of `job`.

use batch::{BatchId, QueueName};
use clap::Args;

/// Most seconds that Kubernetes takes.
const SECONDS: i64 = i32::MAX as i64;

/// Flags of `job`.
#[derive(Args, Debug)]
#[command(
    after_help = "The Job is the one of k8s-jobs/base/worker-job.yaml; it takes ConfigMap and Secret `pixelmill` of its \
namespace. It succeeds when the batch is complete, and fails at once when trying again cannot help (exit code 64). \
Deleted and made again, it does what is left.

Examples:
  producer job photos-2026 --parallelism 8 | kubectl apply -f -
  producer job photos-2026 --parallelism 8 --image registry.example.com/pixelmill:1.2 > job.yaml"
)]
pub struct JobArgs {
    /// The batch; it may be made later
    #[arg(value_name = "ID")]
    pub batch: BatchId,
    /// Pods that work at the same time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub parallelism: u32,
    /// The image of worker and producer
    #[arg(long, value_name = "IMAGE", env = "PIXELMILL_IMAGE", default_value = "pixelmill", value_parser = image)]
    pub image: String,
    /// The queue of the batch
    #[arg(long, value_name = "QUEUE", env = "PIXELMILL_QUEUE", default_value = "images")]
    pub queue: QueueName,
    /// The namespace to make it in
    #[arg(long, value_name = "NAME", env = "PIXELMILL_NAMESPACE", default_value = "pixelmill", value_parser = namespace)]
    pub namespace: String,
    /// Cores that a pod asks for (its limit stays one whole core), e.g. 250m on a small machine
    #[arg(long, value_name = "CORES", env = "PIXELMILL_CPU_REQUEST", default_value = "1", value_parser = cores)]
    pub cpu_request: String,
    /// Failed pods after which the Job gives up; evictions and orderly ends do not count [default: 20, or twice the
    /// parallelism if that is more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub backoff_limit: Option<u32>,
    /// Seconds after which the Job gives up; made again it goes on
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(1..=SECONDS))]
    pub deadline: u32,
    /// Seconds for which the ended Job can still be looked at
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(..=SECONDS))]
    pub ttl: u32,
}

/// A reference to an image, as far as it can be told from a slip: one word.
fn image(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    match text.chars().all(allowed) && text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        true => Ok(text.to_owned()),
        false => Err("write registry/name:tag or registry/name@sha256:…".into()),
    }
}

/// The name of a namespace.
fn namespace(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends_well = !text.starts_with('-') && !text.ends_with('-');
    match (1..=63).contains(&text.len()) && text.chars().all(allowed) && ends_well {
        true => Ok(text.to_owned()),
        false => Err("use 1 to 63 of a-z, 0-9 and '-', a letter or digit at both ends".into()),
    }
}

/// A number of cores as Kubernetes writes it.
fn cores(text: &str) -> Result<String, String> {
    match text.strip_suffix('m').unwrap_or(text).parse::<u32>() {
        Ok(1..) => Ok(text.to_owned()),
        _ => Err("write whole cores, as 1, or thousandths, as 250m".into()),
    }
}
