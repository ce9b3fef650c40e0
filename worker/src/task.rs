//! Work on one task: fetch its images, have the engine classify them, put the rows in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use batch::{BatchError, ErrorCode, ImageRef, Lease, Outcome, Part, Row, Settings, StoredBatch};
use futures::future::try_join_all;
use program::Failure;
use store::source::{Code, FetchError, Sources};
use tokio::sync::{Notify, Semaphore};
use tracing::Instrument;

use crate::engine::{Engine, EngineError};
use crate::failpoint::{self, Step};
use crate::observe::{Stage, health, metrics};
use crate::rows::Rows;

/// Images fetched before an engine thread is free for them, per thread: enough to hide the latency of a store.
const FETCHED_AHEAD: usize = 4;

/// Turns tasks into parts.
pub struct TaskWorker {
    engine: Engine,
    sources: Sources,
    settings: Settings,
    /// Bounds the images in memory. Fair, so that tasks are done in the order in which they are begun.
    under_way: Semaphore,
    transient: Transient,
    /// Keeps a package of the cache as long as its engine may be started again.
    lease: Option<Arc<Lease>>,
}

/// What becomes of an image whose source could not be reached for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transient {
    /// It becomes an error row.
    ErrorRow,
    /// Its task is handed back: an outage says nothing about the image.
    HandBack,
}

/// Why a task has no part.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The engine gave no answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An image's source cannot be reached for now.
    #[error("{0}")]
    Fetch(String),
    /// Progress could not be stored.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Engine(error) => error.into(),
            TaskError::Batch(error) => error.into(),
            TaskError::Fetch(_) => Self::new(Self::UNAVAILABLE, error),
        }
    }
}

/// What came of a task within its time limit.
#[derive(Debug)]
pub enum Worked {
    /// All of it.
    Whole(Part),
    /// These rows, by the place of their image.
    Late(Vec<Option<Row>>),
}

impl TaskWorker {
    /// A worker whose `engine` was started with `settings`.
    pub fn new(engine: Engine, sources: Sources, settings: Settings, threads: usize) -> Self {
        let under_way = Semaphore::new(engine.window() + FETCHED_AHEAD * threads);
        Self { engine, sources, settings, under_way, transient: Transient::ErrorRow, lease: None }
    }

    /// With another rule for sources that cannot be reached.
    pub fn with_transient(self, transient: Transient) -> Self {
        Self { transient, ..self }
    }

    /// With a hold on the package that its engine was started from.
    pub fn with_lease(self, lease: Option<Arc<Lease>>) -> Self {
        Self { lease, ..self }
    }

    /// The part of a task: one row per image, in order. `kept` has the rows that are there already, by the place of their
    /// image, and may be shorter.
    pub async fn part(&self, images: &[ImageRef], kept: &[Option<Row>]) -> Result<Part, TaskError> {
        let rows = Rows::new(images.len(), kept);
        self.fill(&rows, images, &Notify::new()).await?;
        Ok(rows.part())
    }

    /// The same within `limit`, counted from the moment at which its first image is begun: a task may wait for others.
    pub async fn part_within(
        &self,
        limit: Duration,
        images: &[ImageRef],
        kept: &[Option<Row>],
    ) -> Result<Worked, TaskError> {
        let (rows, begun) = (Rows::new(images.len(), kept), Notify::new());
        let late = async {
            begun.notified().await;
            tokio::time::sleep(limit).await;
        };
        tokio::select! {
            filled = self.fill(&rows, images, &begun) => filled.map(|()| Worked::Whole(rows.part())),
            () = late => Ok(Worked::Late(rows.so_far())),
        }
    }

    /// Works on all images that have no row yet, side by side.
    async fn fill(&self, rows: &Rows, images: &[ImageRef], begun: &Notify) -> Result<(), TaskError> {
        let left = rows.so_far().into_iter().zip(images).enumerate().filter(|(_, (row, _))| row.is_none());
        let work = left.map(async |(at, (_, image))| {
            let outcome = self.outcome(image, false, begun).await?;
            rows.set(at, outcome.into_row(image, &self.settings.model.id));
            Ok::<_, TaskError>(())
        });
        try_join_all(work).await?;
        Ok(())
    }

    /// The part of a task that ended a worker before: image by image, in a process apart. Outcomes are
    /// noted in the store, so that whoever goes on after another end begins where this one stopped.
    pub async fn isolated_part(
        &self,
        batch: &StoredBatch,
        task: u64,
        images: &[ImageRef],
        kept: &[Option<Row>],
    ) -> Result<Part, TaskError> {
        let rows = self.rows_one_by_one(batch, task, images, kept).await;
        self.engine.no_next().await;
        Ok(Part { rows: rows? })
    }

    async fn rows_one_by_one(
        &self,
        batch: &StoredBatch,
        task: u64,
        images: &[ImageRef],
        kept: &[Option<Row>],
    ) -> Result<Vec<Row>, TaskError> {
        let mut rows = Vec::with_capacity(images.len());
        for (at, image) in images.iter().enumerate() {
            if let Some(Some(row)) = kept.get(at) {
                rows.push(row.clone());
                continue;
            }
            let note = format!("{task:08}/{at:05}.json");
            let outcome = match batch.noted_outcome(&note).await? {
                Some(outcome) => outcome,
                None => {
                    let outcome = self.outcome(image, true, &Notify::new()).await?;
                    batch.note_outcome(&note, &outcome).await?;
                    outcome
                }
            };
            rows.push(outcome.into_row(image, &self.settings.model.id));
        }
        Ok(rows)
    }

    /// A small JPEG of an image; empty if there is none to be had.
    pub async fn thumbnail(&self, image: &ImageRef) -> Vec<u8> {
        match self.fetch(image).await {
            Ok(file) => self.engine.thumbnail(file).await,
            Err(_) => Vec::new(),
        }
    }

    /// Ends the engine and waits for it.
    pub async fn stop(self) {
        self.engine.stop().await;
        drop(self.lease);
    }

    async fn outcome(&self, image: &ImageRef, isolated: bool, begun: &Notify) -> Result<Outcome, TaskError> {
        let _permit = self.under_way.acquire().await;
        begun.notify_one();
        // In a box of its own: thousands of images may wait for their turn, and each would hold the room that its turn takes.
        Box::pin(self.turn(image, isolated)).await
    }

    async fn turn(&self, image: &ImageRef, isolated: bool) -> Result<Outcome, TaskError> {
        let _counted = metrics().images_in_flight.raised();
        let span = tracing::info_span!("image", image = image.uri);
        let work = async {
            let outcome = self.work_on(image, isolated).await;
            if let Ok(outcome) = &outcome {
                metrics().image(outcome);
                tell(outcome);
            }
            outcome
        };
        let outcome = work.instrument(span).await;
        health().progress();
        outcome
    }

    async fn work_on(&self, image: &ImageRef, isolated: bool) -> Result<Outcome, TaskError> {
        match self.fetch(image).await {
            Ok(file) => {
                failpoint::pass(Step::AfterFetch);
                #[cfg(feature = "test-hooks")]
                if !isolated {
                    crate::hooks::obey_in_worker(&file);
                }
                let judged =
                    if isolated { self.engine.judge_next(&file).await } else { self.engine.classify(file).await };
                failpoint::pass(Step::AfterInfer);
                Ok(judged?)
            }
            Err(error) if error.is_transient() && self.transient == Transient::HandBack => {
                Err(TaskError::Fetch(format!("{}: {error}", image.uri)))
            }
            Err(error) => Ok(Outcome::failed(code(&error), error.to_string())),
        }
    }

    async fn fetch(&self, image: &ImageRef) -> Result<bytes::Bytes, FetchError> {
        let started = Instant::now();
        let fetched = self.sources.fetch(&image.uri, image.etag.as_deref(), self.settings.max_bytes).await;
        metrics().took(Stage::Fetch, started.elapsed());
        metrics().fetched_bytes.add(fetched.as_ref().map_or(0, |file| file.len() as u64));
        fetched
    }
}

/// An error row is an ordinary result; one that killed or held up an engine is worth a look.
fn tell(outcome: &Outcome) {
    match &outcome.error {
        Some(error) if matches!(error.code, ErrorCode::Crashed | ErrorCode::Timeout) => {
            tracing::warn!(code = %error.code, reason = error.message, "the image is poison; it gets an error row");
        }
        Some(error) => tracing::debug!(code = %error.code, reason = error.message, "the image gets an error row"),
        None => {}
    }
}

fn code(error: &FetchError) -> ErrorCode {
    match error.code() {
        Code::NotFound => ErrorCode::NotFound,
        Code::Denied => ErrorCode::Denied,
        Code::Changed => ErrorCode::Changed,
        Code::TooLarge => ErrorCode::TooLarge,
        Code::FetchFailed => ErrorCode::FetchFailed,
    }
}
