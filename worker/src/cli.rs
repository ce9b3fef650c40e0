//! The command line of `worker`.

use std::net::SocketAddr;
use std::path::PathBuf;

use batch::{BatchId, FilterArgs, ModelCacheArgs, QueueName, SettingsArgs, parse_size};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Classifies images on CPU: a folder on this machine, or batches from a queue.
#[derive(Parser, Debug)]
#[command(name = "worker", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 with --fail-on-errors: images failed; 64 usage, configuration or model \
error, do not retry; 75 store unavailable, retry later; 143 ended by SIGTERM.";

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Classify images on this machine; no broker, no cloud
    Classify(Box<ClassifyArgs>),
    /// Work off batches from a RabbitMQ queue into a store
    Run(Box<RunArgs>),
    /// Load a model package, compare its golden inputs, time it
    Check(CheckArgs),
    /// Decode and infer for a parent process, which isolates itself from hostile images this way
    #[command(hide = true, name = crate::engine::ENGINE_COMMAND)]
    Engine,
}

/// Flags of `classify`.
#[derive(Args, Debug)]
#[command(
    after_help = "INPUT is a file, a directory (recursive), a glob in quotes, a list of URIs one a line (@FILE, or - \
for stdin), a table (.jsonl or .csv with uri and optional id), s3://bucket/key, s3://bucket/prefix/ or https://….

Examples:
  worker classify photos/
  worker classify 'photos/**/*.jpg' --format csv > rows.csv
  worker classify photos/ --out results/     # can be stopped and started again; then open results/report.html"
)]
pub struct ClassifyArgs {
    /// Images: files, directories, globs, lists, tables, s3:// or https:// addresses
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Model package: a directory, s3://bucket/prefix, or `builtin`
    #[arg(long, value_name = "PKG", env = "PIXELMILL_MODEL", default_value = "builtin")]
    pub model: String,
    /// Where packages from S3 are kept.
    #[command(flatten)]
    pub models: ModelCacheArgs,
    /// Write manifest, rows, Parquet, summary and report into this directory; started again, go on where it stopped
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How rows are printed [default: table on a terminal, jsonl in a pipe]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Print only rows whose best score is at least this (error rows are always printed)
    #[arg(long, value_name = "SCORE", default_value_t = 0.0)]
    pub min_score: f64,
    /// Exit with 1 if an image failed
    #[arg(long)]
    pub fail_on_errors: bool,
    /// Hosts that https:// images may come from
    #[arg(long = "allow-http-host", value_name = "HOST")]
    pub http_hosts: Vec<String>,
    /// What can change a row.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Which images to take.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// What the engine may use.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Flags of `run`.
#[derive(Args, Debug)]
#[command(
    after_help = "S3 is configured by the standard AWS_* variables (AWS_ENDPOINT_URL_S3, AWS_REGION, credentials)."
)]
pub struct RunArgs {
    /// Queue to take tasks from
    #[arg(long, value_name = "Q", env = "PIXELMILL_QUEUE", default_value = "images")]
    pub queue: QueueName,
    /// Store of the batches: s3://bucket/prefix or a directory
    #[arg(long, value_name = "URL", env = "PIXELMILL_STORE")]
    pub store: String,
    /// Broker, amqp:// or amqps://; the variable keeps its password out of process lists
    #[arg(long, value_name = "URL", env = "PIXELMILL_AMQP_URL", hide_env_values = true)]
    pub amqp_url: String,
    /// Certificate (PEM) of a private authority that signed the broker's
    #[arg(long, value_name = "FILE", env = "PIXELMILL_AMQP_CA")]
    pub amqp_ca: Option<PathBuf>,
    /// Exit 0 when every batch that is open now is finished, or the one of --batch
    #[arg(long)]
    pub until_complete: bool,
    /// With --until-complete: the batch that decides when to stop
    #[arg(long, value_name = "ID", requires = "until_complete")]
    pub batch: Option<BatchId>,
    /// A model package (directory or s3://bucket/prefix) that stands in for the same one elsewhere
    #[arg(long, value_name = "PKG", env = "PIXELMILL_MODEL")]
    pub model: Option<String>,
    /// Where packages from S3 are kept.
    #[command(flatten)]
    pub models: ModelCacheArgs,
    /// Serve /metrics, /livez and /readyz on this address, e.g. 0.0.0.0:9464 [default: not at all]
    #[arg(long, value_name = "ADDR:PORT", env = "PIXELMILL_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Directories that images may be read from
    #[arg(long = "allow-file-root", value_name = "DIR", env = "PIXELMILL_ALLOW_FILE_ROOT", value_delimiter = ':')]
    pub file_roots: Vec<PathBuf>,
    /// Hosts that https:// images may come from
    #[arg(long = "allow-http-host", value_name = "HOST", env = "PIXELMILL_ALLOW_HTTP_HOST", value_delimiter = ',')]
    pub http_hosts: Vec<String>,
    /// What the engine may use.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// What an engine may use of this machine.
#[derive(Args, Clone, Debug)]
pub struct EngineArgs {
    /// Threads that decode and infer [default: the cores of this machine or cgroup]
    #[arg(long, value_name = "N", env = "PIXELMILL_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Memory of decoding and inference together, e.g. 2GiB [default: what the cgroup allows, or half of the machine's]
    #[arg(long, value_name = "SIZE", env = "PIXELMILL_MAX_MEMORY", value_parser = parse_memory)]
    pub max_memory: Option<u64>,
}

/// Beside a model, hardly an image fits in less.
const LEAST_MEMORY: u64 = 64 << 20;

/// A size that an engine can work in.
fn parse_memory(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        size if size < LEAST_MEMORY => Err("hardly an image fits in that; give at least 64MiB".into()),
        size => Ok(size),
    }
}

impl EngineArgs {
    /// Threads that decode and infer.
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(crate::machine::cores, usize::from)
    }
}

/// Flags of `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The package: a directory, s3://bucket/prefix, or `builtin`
    #[arg(value_name = "PKG")]
    pub package: String,
    /// Where packages from S3 are kept.
    #[command(flatten)]
    pub models: ModelCacheArgs,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One JSON object a line, as stored
    Jsonl,
    /// Comma-separated, with a header
    Csv,
}
