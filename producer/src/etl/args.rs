//! The flags of `etl`.

use batch::{BatchId, EtlName, FileArgs, ModelCacheArgs, QueueName, SettingsArgs, parse_time};
use clap::Args;
use jiff::Timestamp;

use crate::formats::Shape;
use crate::places::{BrokerArgs, StoreArgs};

/// Flags of `etl`.
#[derive(Args, Debug)]
#[command(
    group = clap::ArgGroup::new("window").args(["since", "until"]).multiple(true),
    after_help = "New is an object whose name and ETag are in no earlier run of NAME: one that was overwritten is done \
again, one that arrives late with an old time is not missed. If nothing is new, no batch is made and the exit code is 0.

Runs may overlap, start twice, be missed or be killed: every version of an object is in exactly one run (but for \
backfills), and each call first finishes what earlier ones left. Run again with the --batch that a run has, the same \
command adds nothing. If the name of the batch is taken by another one, the run's is called <ID>-<run>.

Examples:
  producer etl photos --source s3://photos/incoming/ --dry-run
  producer etl photos --source s3://photos/incoming/ --ext jpg,png
  producer etl photos --source s3://photos/incoming/ --since 2026-11-01     # only what was modified since
  producer etl photos --source s3://photos/incoming/ --until 2026-11-01     # later: what that left out
  producer etl photos --source s3://photos/incoming/ --backfill --since 2026-10-01 --batch october-again \\
      --model s3://models/better
  producer etl photos --history"
)]
pub struct EtlArgs {
    /// Name of the pipeline, which remembers what it took: 1 to 50 of a-z, 0-9 and '-'
    #[arg(value_name = "NAME")]
    pub name: EtlName,
    /// Where images arrive: s3://bucket/prefix/
    #[arg(long, value_name = "URL", required_unless_present = "history")]
    pub source: Option<String>,
    /// Name of the batch, if there is anything new; in a Kubernetes Job the Job's name [default: NAME and the time]
    #[arg(long, value_name = "ID", env = "PIXELMILL_BATCH")]
    pub batch: Option<BatchId>,
    /// Take only objects modified at or after this time (RFC 3339, e.g. 2026-11-23T06:00:00Z, or a day, in UTC)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub since: Option<Timestamp>,
    /// Take only objects modified before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub until: Option<Timestamp>,
    /// Take the objects between --since and --until again that earlier runs took, e.g. with another model
    #[arg(long, requires = "batch", requires = "window")]
    pub backfill: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// List the runs of NAME
    #[arg(long, conflicts_with_all = ["source", "dry_run", "backfill"])]
    pub history: bool,
    /// With --history: how runs are printed
    #[arg(long, value_name = "FORMAT", default_value = "table", requires = "history")]
    pub format: Shape,
    /// Model package: a directory, s3://…, or `builtin`
    #[arg(long, value_name = "PKG", env = "PIXELMILL_MODEL", default_value = "builtin")]
    pub model: String,
    /// Where packages from S3 are kept.
    #[command(flatten)]
    pub models: ModelCacheArgs,
    /// The queue whose workers do the work
    #[arg(long, value_name = "QUEUE", env = "PIXELMILL_QUEUE", default_value = "images")]
    pub queue: QueueName,
    /// Seconds for which a run that another process has just begun is left to it (longer if it is large)
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(..=3600))]
    pub grace: u32,
    /// What can change a row.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Which files to take.
    #[command(flatten)]
    pub files: FileArgs,
    /// Where batches live.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Where tasks are queued.
    #[command(flatten)]
    pub broker: BrokerArgs,
}
