//! The command line of `producer`.

use std::path::PathBuf;

use batch::{BatchId, ErrorCode, FilterArgs, ModelCacheArgs, QueueName, SettingsArgs};
use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::etl::EtlArgs;
use crate::formats::{RowFormat, RowStatus, Shape};
use crate::job::JobArgs;
use crate::places::{BrokerArgs, StoreArgs};

/// Turns sets of images into batches, watches over them, and reads their results.
#[derive(Parser, Debug)]
#[command(name = "producer", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Every flag with [env: …] can be set by that variable. PIXELMILL_LOG sets the log level \
(warn, info, debug).

Exit codes: 0 done; 1 verify found something wrong; 64 usage or configuration error, do not retry; 75 store or broker \
unavailable, retry later; 130 ended by Ctrl-C; 143 ended by SIGTERM. Every command can be run again after any of them.";

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Declare the queue and its dead letters, and try whether the store can hold batches
    Setup(SetupArgs),
    /// Make a batch of images and publish its tasks
    Enqueue(Box<EnqueueArgs>),
    /// List the batches of the store
    List(ListArgs),
    /// Show how far a batch is
    Status(StatusArgs),
    /// Compare manifest and results line by line; exit 1 with a list if anything is missing, double or wrong
    Verify(VerifyArgs),
    /// Print the rows of a batch, its summary, or fetch its report
    Results(ResultsArgs),
    /// Publish what is missing, revive dead letters, finish what is complete, clean up markers
    Reconcile(ReconcileArgs),
    /// Make a new batch that does the failed images of a finished one again
    Retry(RetryArgs),
    /// Give a batch up; what is done stays readable
    Cancel(CancelArgs),
    /// Delete a batch; its id stays refused
    Delete(DeleteArgs),
    /// Make a batch of what is new below a prefix since the runs before; for schedules
    Etl(Box<EtlArgs>),
    /// Print the Kubernetes Job that works a batch off; asks neither store nor cluster
    Job(JobArgs),
}

impl Command {
    /// The batch that it is about, if it is about one.
    pub fn batch(&self) -> Option<&BatchId> {
        match self {
            Self::Setup(_) | Self::List(_) => None,
            Self::Enqueue(args) => Some(&args.batch),
            Self::Status(args) => Some(&args.batch),
            Self::Verify(args) => Some(&args.batch),
            Self::Results(args) => Some(&args.batch),
            Self::Reconcile(args) => args.batch.as_ref(),
            Self::Retry(args) => Some(&args.batch),
            Self::Cancel(args) => Some(&args.batch),
            Self::Delete(args) => Some(&args.batch),
            Self::Etl(args) => args.batch.as_ref(),
            Self::Job(args) => Some(&args.batch),
        }
    }
}

/// Flags of `setup`.
#[derive(Args, Debug)]
pub struct SetupArgs {
    /// The queue to declare
    #[arg(long, value_name = "QUEUE", env = "PIXELMILL_QUEUE", default_value = "images")]
    pub queue: QueueName,
    /// Make this bucket first if it is not there (repeat, or separate by commas); for an S3 server of your own
    #[arg(long = "create-bucket", value_name = "BUCKET", value_delimiter = ',')]
    pub buckets: Vec<String>,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Where tasks are queued.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// Flags of `enqueue`.
#[derive(Args, Debug)]
#[command(
    after_help = "INPUT is s3://bucket/prefix/ (all below it), s3://bucket/key, a file, a directory (recursive), a \
glob in quotes, a list of URIs one a line (@FILE, or - for stdin), a table (.jsonl or .csv with uri and optional id) or \
https://…. Workers read local files only below their --allow-file-root.

Run again, killed and run again, or run by two at once, the same command makes one batch. Other arguments under the same \
id are refused (64).

Examples:
  producer enqueue s3://photos/2026/ --batch photos-2026 --dry-run
  producer enqueue s3://photos/2026/ --batch photos-2026 --ext jpg,png --model s3://models/resnet50
  producer enqueue images.csv --batch survey-7"
)]
pub struct EnqueueArgs {
    /// Images: prefixes, objects, files, directories, globs, lists, tables, https:// addresses
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Name of the batch: 1 to 50 of a-z, 0-9 and '-'
    #[arg(long, value_name = "ID")]
    pub batch: BatchId,
    /// Model package: a directory, s3://…, or `builtin`
    #[arg(long, value_name = "PKG", env = "PIXELMILL_MODEL", default_value = "builtin")]
    pub model: String,
    /// Where packages from S3 are kept.
    #[command(flatten)]
    pub models: ModelCacheArgs,
    /// The queue whose workers do the work
    #[arg(long, value_name = "QUEUE", env = "PIXELMILL_QUEUE", default_value = "images")]
    pub queue: QueueName,
    /// Hosts that https:// images may come from (the workers need the same flag)
    #[arg(long = "allow-http-host", value_name = "HOST", env = "PIXELMILL_ALLOW_HTTP_HOST", value_delimiter = ',')]
    pub http_hosts: Vec<String>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What can change a row.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Which images to take.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Where tasks are queued.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// Flags of `list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only unfinished batches
    #[arg(long, conflicts_with = "all")]
    pub open: bool,
    /// Deleted batches and unfinished beginnings too
    #[arg(long)]
    pub all: bool,
    /// How batches are printed
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Shape,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Flags of `status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// The batch
    #[arg(value_name = "ID")]
    pub batch: BatchId,
    /// Go on until the batch is finished or cancelled
    #[arg(long)]
    pub watch: bool,
    /// Seconds between two looks while watching
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub interval: u32,
    /// Count tasks only: do not read rows for the number of failed images
    #[arg(long)]
    pub counts_only: bool,
    /// How it is printed; json is one object a line
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Shape,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Where tasks are queued.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// Flags of `verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The batch
    #[arg(value_name = "ID")]
    pub batch: BatchId,
    /// Print at most so many findings; all are counted
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub limit: u64,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Flags of `results`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  producer results photos-2026 --format csv > rows.csv
  producer results photos-2026 --label tabby --min-score 0.9
  producer results photos-2026 --status error --code undecodable
  producer results photos-2026 --report report.html")]
pub struct ResultsArgs {
    /// The batch
    #[arg(value_name = "ID")]
    pub batch: BatchId,
    /// How rows are printed [default: table on a terminal, jsonl in a pipe]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<RowFormat>,
    /// Only rows whose best label is this (repeat for several)
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// Only rows whose best score is at least this
    #[arg(long, value_name = "SCORE")]
    pub min_score: Option<f64>,
    /// Only classified, or only failed images
    #[arg(long, value_name = "STATUS")]
    pub status: Option<RowStatus>,
    /// Only rows with this error code (repeat, or separate by commas)
    #[arg(long = "code", value_name = "CODE", value_delimiter = ',')]
    pub codes: Vec<ErrorCode>,
    /// Print at most so many rows
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print counts instead of rows; with --format jsonl as one JSON object
    #[arg(long)]
    pub summary: bool,
    /// Write the batch's report.html to this file (- for stdout) instead of printing rows
    #[arg(long, value_name = "FILE", conflicts_with = "summary")]
    pub report: Option<PathBuf>,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Flags of `reconcile`.
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("what").required(true),
    after_help = "With an ID, exactly the missing tasks are published, whatever the queue holds: a task that is \
already queued or in work is then there twice, which costs work and no row. With --open, a queue that still holds \
messages gets none, so that it can run on a schedule."
)]
pub struct ReconcileArgs {
    /// The batch
    #[arg(value_name = "ID", group = "what")]
    pub batch: Option<BatchId>,
    /// Every open batch of every queue of the store
    #[arg(long, group = "what")]
    pub open: bool,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Where tasks are queued.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// Flags of `retry`.
#[derive(Args, Debug)]
pub struct RetryArgs {
    /// The finished batch
    #[arg(value_name = "ID")]
    pub batch: BatchId,
    /// Only images that failed with this code (repeat, or separate by commas) [default: all failed images]
    #[arg(long = "code", value_name = "CODE", value_delimiter = ',')]
    pub codes: Vec<ErrorCode>,
    /// Name of the new batch [default: <ID>-retry]
    #[arg(long = "as", value_name = "ID")]
    pub name: Option<BatchId>,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Where tasks are queued.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// Flags of `cancel`.
#[derive(Args, Debug)]
pub struct CancelArgs {
    /// The batch
    #[arg(value_name = "ID")]
    pub batch: BatchId,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Flags of `delete`.
#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// The batch
    #[arg(value_name = "ID")]
    pub batch: BatchId,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
