//! `worker classify`: a whole batch on one machine. The same manifest, parts and finishing as in a cluster; the store is a
//! local folder, and a temporary one if the results are only printed.

mod local_batch;
mod output;
mod progress;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use batch::{FoundModel, Part, Progress, Session, State, StoredBatch, Summary};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use program::Failure;
use store::Options;
use store::source::{self, Sources};

use crate::cli::ClassifyArgs;
use crate::engine::{Engine, EngineConfig, PackageSource};
use crate::machine;
use crate::shutdown::Shutdown;
use crate::task::TaskWorker;
use output::Output;
use progress::ProgressDisplay;

/// Tasks begun and not yet done. A slow image holds its own task; this many others go on meanwhile.
const OPEN_TASKS: usize = 64;

/// Classifies the inputs and prints their rows; `shutdown` ends it early, without harm to what is stored.
pub async fn run(args: ClassifyArgs, mut shutdown: Shutdown) -> Result<(), Failure> {
    tokio::select! {
        result = classify(&args) => result,
        code = shutdown.asked() => {
            let hint = match &args.out {
                Some(dir) => format!("stopped; the same command goes on from what {} holds", dir.display()),
                None => "stopped".into(),
            };
            Err(Failure::new(code, hint))
        }
    }
}

async fn classify(args: &ClassifyArgs) -> Result<(), Failure> {
    let model = args.models.cache(Options::default()).find(&args.model).await?;
    let sources = Sources::new(source::Settings { http_hosts: args.http_hosts.clone(), ..Default::default() })?;
    // Where nothing is kept, a temporary folder plays the store.
    let scratch = match args.out {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(|error| unavailable("making a temporary folder", &error))?),
    };
    let directory = match (&args.out, &scratch) {
        (Some(out), _) => out.as_path(),
        (None, Some(scratch)) => scratch.path(),
        (None, None) => Path::new("."),
    };
    let batch = local_batch::open(directory, args, &model, &sources).await?;
    if batch.manifest.image_count() == 0 {
        tracing::warn!("there is no image in {}", args.inputs.join(" "));
    }
    let run = Run { args, model: &model, sources: &sources, batch: &batch };
    let printed = run.work().await?;
    match printed.failed {
        failed if failed > 0 && args.fail_on_errors => {
            Err(Failure::new(Failure::WRONG, format!("{failed} of {} images failed", printed.images)))
        }
        _ => Ok(()),
    }
}

fn unavailable(doing: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::unavailable(format!("{doing}: {error}"))
}

/// One run of the program over a batch.
struct Run<'a> {
    args: &'a ClassifyArgs,
    model: &'a FoundModel,
    sources: &'a Sources,
    batch: &'a StoredBatch,
}

impl Run<'_> {
    async fn work(&self) -> Result<Summary, Failure> {
        let started = Timestamp::now();
        let manifest = &self.batch.manifest;
        let missing: HashSet<u64> = self.batch.missing(0, usize::MAX).await?.into_iter().collect();
        let finished = self.batch.state().await? == State::Finished;
        // A finished batch is only printed; anything else needs an engine, if only for the report's thumbnails.
        let worker = if missing.is_empty() && (finished || self.args.out.is_none()) {
            None
        } else {
            Some(self.start_worker().await?)
        };
        let mut output = Output::new(self.args);
        let progress = ProgressDisplay::new(manifest.image_count());
        let work = |task| {
            let worker = worker.as_ref().filter(|_| missing.contains(&task));
            async move { (task, self.part(task, worker).await) }
        };
        let mut parts = stream::iter(0..manifest.task_count()).map(work).buffer_unordered(OPEN_TASKS);
        while let Some((task, part)) = parts.next().await {
            let part = part?;
            progress.advance(part.rows.len(), missing.contains(&task));
            output
                .take(manifest.task_images(task).start, part)
                .map_err(|error| unavailable("printing rows", &error))?;
        }
        drop(parts);
        progress.finish();
        let worked = self.images_of(&missing);
        if self.args.out.is_some() && !finished {
            self.finish(worker.as_ref(), started, worked).await?;
        }
        if let Some(worker) = worker {
            worker.stop().await;
        }
        let seconds = (Timestamp::now().as_millisecond() - started.as_millisecond()) as f64 / 1e3;
        let summary = output.finish(&progress::Effort { images: worked, seconds, cpu_seconds: machine::cpu_seconds() });
        summary.map_err(|error| unavailable("printing rows", &error))
    }

    async fn start_worker(&self) -> Result<TaskWorker, Failure> {
        let settings = self.batch.manifest.settings.clone();
        let threads = self.args.engine.threads();
        let package = PackageSource::from(self.model.directory.clone());
        let config = EngineConfig::new(package, settings.clone(), threads, self.args.engine.max_memory);
        let engine = Engine::start(config).await?;
        let worker = TaskWorker::new(engine, self.sources.clone(), settings, threads);
        Ok(worker.with_lease(self.model.lease.clone()))
    }

    /// The part of a task: stored before, or worked on by `worker` and stored now.
    async fn part(&self, task: u64, worker: Option<&TaskWorker>) -> Result<Part, Failure> {
        match worker {
            None => Ok(self.batch.part(task).await?.1),
            Some(worker) => {
                let images = self.batch.images.read(self.batch.manifest.task_images(task)).await?;
                let part = worker.part(&images, &[]).await?;
                self.batch.store_part(task, &part).await?;
                Ok(part)
            }
        }
    }

    fn images_of(&self, tasks: &HashSet<u64>) -> u64 {
        let count = |task: &u64| {
            let images = self.batch.manifest.task_images(*task);
            images.end - images.start
        };
        tasks.iter().map(count).sum()
    }

    /// Notes this session, then Parquet, summary, report and `_SUCCESS`.
    async fn finish(&self, worker: Option<&TaskWorker>, started: Timestamp, images: u64) -> Result<(), Failure> {
        let session = Session {
            host: machine::host(),
            version: env!("CARGO_PKG_VERSION").into(),
            threads: self.args.engine.threads(),
            started,
            finished: Timestamp::now(),
            images,
            cpu_seconds: machine::cpu_seconds(),
        };
        self.batch.note(&session).await?;
        let finisher = self.batch.finisher();
        match finisher.gather().await? {
            Progress::Missing(tasks) => {
                let message =
                    format!("the parts of tasks {tasks:?} are gone; did someone delete them? Run the command again");
                Err(Failure::unavailable(message))
            }
            Progress::Complete(summary) => {
                let thumbnails = self.thumbnails(worker, &summary).await?;
                finisher.publish(*summary, &thumbnails).await?;
                Ok(())
            }
        }
    }

    async fn thumbnails(
        &self,
        worker: Option<&TaskWorker>,
        summary: &Summary,
    ) -> Result<BTreeMap<u64, Vec<u8>>, Failure> {
        let mut thumbnails = BTreeMap::new();
        let Some(worker) = worker else { return Ok(thumbnails) };
        for index in summary.least_certain.iter().map(|image| image.index) {
            for image in self.batch.images.read(index..index + 1).await? {
                thumbnails.insert(index, worker.thumbnail(&image).await);
            }
        }
        thumbnails.retain(|_, jpeg| !jpeg.is_empty());
        Ok(thumbnails)
    }
}
