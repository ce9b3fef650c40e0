//! `producer etl`: what is new below a source becomes one batch. New means: this name with this ETag is in no earlier run
//! of the pipeline. One object decides a run ([`run_file`]); who comes second carries it out too, and lists again.

mod args;
mod carry;
mod fresh;
mod history;
mod pipeline;
mod plan;
mod run_file;

use std::io::{self, Write};

use batch::input::Filter;
use batch::{BatchId, Manifest};
use jiff::Timestamp;
use ledger::{Known, LedgerError};
use program::Failure;
use store::Created;

use crate::display::counted;
use crate::failpoint::{self, Step};
use crate::model;
use crate::places::Queue;
pub use args::EtlArgs;
use fresh::{Fresh, Source};
use pipeline::Pipeline;
use run_file::Run;

/// How often other runs may come first.
const ROUNDS: usize = 20;
/// Bytes of a pipeline's name in the id of a batch: the time of its run takes 16 of 50.
const NAME_IN_ID: usize = 34;

/// Takes what is new, after every earlier run is in the ledger.
pub async fn run(args: &EtlArgs) -> Result<(), Failure> {
    let pipeline = Pipeline::new(args.store.open().await?, &args.name);
    if args.history {
        return history::show(&pipeline, args.format).await;
    }
    let source = Source::parse(args.source.as_deref().unwrap_or_default())?;
    if args.since.zip(args.until).is_some_and(|(since, until)| since >= until) {
        return Err(Failure::usage("--since is not before --until: nothing can lie between them"));
    }
    let batch = args.batch.clone().map_or_else(|| named_by_time(args, Timestamp::now()), Ok)?;
    if args.dry_run {
        return plan::show(&pipeline, args, &source, &batch).await;
    }
    Etl { pipeline, args, source, batch }.run().await
}

/// One call of `etl`.
struct Etl<'a> {
    pipeline: Pipeline,
    args: &'a EtlArgs,
    source: Source,
    batch: BatchId,
}

impl Etl<'_> {
    async fn run(&self) -> Result<(), Failure> {
        // Found out before anything is listed or stored.
        self.pipeline.store.probe().await?;
        let mut admin = Queue::new(self.args.broker.broker()?, &self.args.queue)?.admin();
        admin.depth().await?;
        admin.close().await;
        self.take().await?;
        // Others may have decided runs meanwhile, and died.
        self.settle().await.map(drop)
    }

    /// Makes a run of what is new, if anything is.
    async fn take(&self) -> Result<(), Failure> {
        let Self { pipeline, args, batch, .. } = self;
        for _ in 0..ROUNDS {
            let last = self.settle().await?;
            if let Some(named) = pipeline.named(batch).await? {
                writeln!(io::stdout(), "{}: run {} has batch {batch} already: nothing to add", args.name, named.run)?;
                return Ok(());
            }
            let Some(run) = self.draft(last + 1).await? else { return Ok(()) };
            failpoint::pass(Step::AfterImages);
            let created = pipeline.decide(&run).await?;
            failpoint::pass(Step::AfterRun);
            // A server that forgets who made an object says `Before` of ours too.
            if created == Created::Now || pipeline.run(run.run).await? == run {
                return carry::out(pipeline, &run, args, true).await;
            }
            tracing::info!(run = run.run, "another run came first");
        }
        let name = &args.name;
        Err(Failure::unavailable(format!("other runs of {name} came first {ROUNDS} times; run the same command again")))
    }

    /// Sees to it that every run is in the ledger; gives the number of the last one.
    async fn settle(&self) -> Result<u64, Failure> {
        let (pipeline, args) = (&self.pipeline, self.args);
        let last = pipeline.last().await?;
        for run in pipeline.last_in_ledger(last).await? + 1..=last {
            carry::out(pipeline, &pipeline.run(run).await?, args, false).await?;
        }
        // A segment that somebody deleted, because it was damaged, is made again.
        while let Err(error) = pipeline.ledger.merge(last).await {
            match error {
                LedgerError::Missing { run } => carry::out(pipeline, &pipeline.run(run).await?, args, true).await?,
                error => return Err(error.into()),
            }
        }
        Ok(last)
    }

    /// Lists what run number `run` takes; none if nothing is new.
    async fn draft(&self, run: u64) -> Result<Option<Run>, Failure> {
        let Self { pipeline, args, source, batch } = self;
        let model = model::find(&args.model, &args.models, &args.store.options()).await?;
        let known = Known::new(pipeline.ledger.segments(run - 1).await?).await?;
        let fresh = Fresh::list(args, source, known).await?;
        let (images, counts) = fresh.store(&pipeline.store, &pipeline.layout).await?;
        if images.is_empty() {
            let listed = counted(counts.listed, "object");
            writeln!(io::stdout(), "{}: nothing new below {source} ({listed}, all in earlier runs)", args.name)?;
            return Ok(None);
        }
        let mut arguments = vec![source.to_string()];
        let filter = args.files.filter(args.since, args.until);
        if filter != Filter::default() {
            arguments.push(format!("{filter:?}"));
        }
        let manifest = Manifest {
            version: Manifest::VERSION,
            batch: batch.clone(),
            arguments,
            task_size: args.settings.task_size,
            settings: args.settings.settings(model),
            queue: Some(args.queue.clone()),
            parent: None,
            etl: Some((args.name.to_string(), run)),
            images,
        };
        Ok(Some(Run { run, made: Timestamp::now(), backfill: args.backfill, counts, manifest }))
    }
}

/// The batch of a run for which none was named: the pipeline's name and the time.
fn named_by_time(args: &EtlArgs, now: Timestamp) -> Result<BatchId, Failure> {
    let name = args.name.as_str();
    let name = &name[..name.len().min(NAME_IN_ID)];
    format!("{name}-{}", now.strftime("%Y%m%d-%H%M%S")).parse().map_err(Failure::usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parsed(args: &str) -> Result<Box<EtlArgs>, clap::Error> {
        let cli = Cli::try_parse_from(format!("producer etl {args} --store /tmp/none").split_whitespace())?;
        let Command::Etl(args) = cli.command else { panic!("another command") };
        Ok(args)
    }

    #[test]
    fn a_batch_is_named_by_pipeline_and_time() {
        let name = |name: &str| {
            let args = parsed(&format!("{name} --source s3://b/")).unwrap();
            named_by_time(&args, Timestamp::from_second(1_795_500_000).unwrap()).unwrap().to_string()
        };
        assert_eq!(name("nightly"), "nightly-20261124-060000");
        let longest = "x".repeat(50);
        assert_eq!(name(&longest), format!("{}-20261124-060000", "x".repeat(34)));
    }

    #[test]
    fn a_backfill_says_what_and_under_which_name() {
        for args in
            ["a", "a --source s3://b/ --backfill", "a --source s3://b/ --backfill --since 2026-01-01", "--history"]
        {
            assert!(parsed(args).is_err(), "{args}");
        }
        for args in ["a --history", "a --source s3://b/ --backfill --since 2026-01-01 --batch c"] {
            parsed(args).unwrap();
        }
    }

    #[tokio::test]
    async fn a_window_without_time_in_it_is_refused() {
        let args = parsed("a --source s3://b/ --since 2026-01-02 --until 2026-01-02").unwrap();
        assert_eq!(run(&args).await.unwrap_err().code, Failure::USAGE);
    }
}
