//! What becomes of one message: done, dropped, set aside, or handed back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use batch::{BatchId, ParentRows, Part, Row, StoredBatch, set_aside};
use jiff::Timestamp;
use program::Failure;
use queue::{Delivery, MessageError, TaskMessage};
use store::{Created, Store};
use telemetry::{TRACEPARENT, TraceContext};
use tokio::sync::{Mutex, RwLock};
use tracing::{Instrument, Span};

use super::batches::{Batches, Known};
use super::engines::Engines;
use super::finishing::Finishing;
use super::quiet::Quiet;
use super::under_way::UnderWay;
use crate::engine::EngineError;
use crate::failpoint::{self, Step};
use crate::observe::{Source, Stage, TaskEnd, health, metrics};
use crate::task::{TaskError, TaskWorker, Worked};

/// From this return on, the images of a task are worked on one by one, each in a process of its own.
const ISOLATED_FROM_ATTEMPT: u32 = 2;
/// Before a task goes back that could not be done now, so that it does not come round at once.
const BEFORE_GIVING_BACK: Duration = Duration::from_secs(1);

/// Works on tasks; shared by all that are under way.
pub(super) struct Handler {
    pub(super) store: Store,
    pub(super) batches: Batches,
    pub(super) engines: Engines,
    pub(super) finishing: Finishing,
    pub(super) quiet: Quiet,
    /// The batch that decides when to stop; its model must be loadable.
    pub(super) own_batch: Option<BatchId>,
    /// Batches whose model this worker cannot load; they are left to others.
    pub(super) left_to_others: Mutex<HashSet<BatchId>>,
    pub(super) under_way: UnderWay,
    /// Held for writing by isolated work: an image that takes all memory must find no other engine that grows beside its own.
    pub(super) alone: RwLock<()>,
    pub(super) started: Timestamp,
    pub(super) threads: usize,
}

/// How a task is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// All images side by side, in the shared engine.
    Shared,
    /// One image after the other, each in a process of its own.
    Isolated,
}

/// What to tell the broker.
enum Verdict {
    /// Nothing is left to do, and why.
    Ack(TaskEnd),
    /// No batch owns this message, and why.
    SetAside(String),
    /// It could not be done now.
    GiveBack(String),
}

impl Handler {
    /// Works on one message. An error is one that this process cannot survive; the message goes back then.
    pub(super) async fn handle(&self, delivery: Delivery) -> Result<(), Failure> {
        let message = TaskMessage::parse(&delivery.body);
        let sender = delivery.headers.get(TRACEPARENT).and_then(|header| TraceContext::parse(header));
        let span = match &message {
            Ok(message) => {
                let trace = sender.unwrap_or_else(|| TraceContext::of_batch(message.manifest()));
                task_span(message.batch(), message.task(), &trace)
            }
            Err(_) => tracing::info_span!("message"),
        };
        self.settle(delivery, message).instrument(span).await
    }

    async fn settle(&self, delivery: Delivery, message: Result<TaskMessage, MessageError>) -> Result<(), Failure> {
        let _counted = metrics().tasks_in_flight.raised();
        metrics().task_started(Source::Queue);
        if delivery.is_redelivered() {
            metrics().redelivered.increment();
        }
        let verdict = match message {
            Ok(message) => self.decide(&delivery, &message).await,
            Err(error) => Ok(Verdict::SetAside(error.to_string())),
        };
        health().progress();
        metrics().task_ended(match verdict {
            Ok(Verdict::Ack(end)) => end,
            Ok(Verdict::SetAside(_)) => TaskEnd::SetAside,
            Ok(Verdict::GiveBack(_)) => TaskEnd::GivenBack,
            Err(_) => TaskEnd::Failed,
        });
        match verdict {
            Ok(Verdict::Ack(end)) => {
                tracing::debug!(?end, "acknowledged");
                delivery.ack().await;
            }
            Ok(Verdict::SetAside(reason)) => {
                set_aside(&self.store, self.batches.queue(), &delivery.body, &reason).await?;
                delivery.ack().await;
            }
            Ok(Verdict::GiveBack(reason)) => {
                tracing::warn!(reason, attempts = delivery.attempts(), "the task goes back to the queue");
                tokio::time::sleep(BEFORE_GIVING_BACK).await;
                delivery.give_back().await;
            }
            Err(failure) => {
                delivery.give_back().await;
                return Err(failure);
            }
        }
        Ok(())
    }

    async fn decide(&self, delivery: &Delivery, message: &TaskMessage) -> Result<Verdict, Failure> {
        let id: BatchId = match message.batch().parse() {
            Ok(id) => id,
            Err(error) => return Ok(Verdict::SetAside(format!("{error}"))),
        };
        let batch = match self.batches.find(&id).await? {
            Known::Open(batch) => batch,
            Known::Over(_) | Known::Deleted => return Ok(Verdict::Ack(TaskEnd::Dropped)),
            Known::Absent => return Ok(Verdict::SetAside(format!("there is no batch {id}"))),
        };
        let task = message.task();
        if message.manifest() != batch.digest.to_string() {
            return Ok(Verdict::SetAside(format!("batch {id} has another manifest")));
        }
        if task >= batch.manifest.task_count() {
            return Ok(Verdict::SetAside(format!("batch {id} has no task {task}")));
        }
        // A message may come twice, and whoever is impatient publishes tasks again: to ask costs less than to do it again.
        if batch.has_part(task).await? {
            self.finishing.touch(&batch).await;
            return Ok(Verdict::Ack(TaskEnd::DoneBefore));
        }
        let isolated = message.is_isolated() || delivery.attempts() >= ISOLATED_FROM_ATTEMPT;
        let mode = if isolated { Mode::Isolated } else { Mode::Shared };
        match self.work(&batch, task, mode).await {
            Ok(()) => Ok(Verdict::Ack(TaskEnd::Done)),
            Err(WorkError::NotNow(reason)) => Ok(Verdict::GiveBack(reason)),
            // Idle workers find the task missing; meanwhile it must not go round and round.
            Err(WorkError::LeftToOthers(_)) => Ok(Verdict::Ack(TaskEnd::LeftToOthers)),
            Err(WorkError::Fatal(failure)) => Err(failure),
        }
    }

    /// Works on a task that no message brought.
    pub(super) async fn work_unasked(
        &self,
        batch: &Arc<StoredBatch>,
        task: u64,
        mode: Mode,
        source: Source,
    ) -> Result<(), WorkError> {
        let span = task_span(batch.manifest.batch.as_str(), task, &batch.trace());
        let work = async {
            tracing::info!(?mode, ?source, "a task that was missing in the manifest");
            let _counted = metrics().tasks_in_flight.raised();
            metrics().task_started(source);
            let worked = self.work(batch, task, mode).await;
            health().progress();
            metrics().task_ended(match &worked {
                Ok(()) => TaskEnd::Done,
                Err(WorkError::NotNow(_)) => TaskEnd::GivenBack,
                Err(WorkError::LeftToOthers(_)) => TaskEnd::LeftToOthers,
                Err(WorkError::Fatal(_)) => TaskEnd::Failed,
            });
            worked
        };
        work.instrument(span).await
    }

    /// Works on a task and stores its part.
    async fn work(&self, batch: &Arc<StoredBatch>, task: u64, mode: Mode) -> Result<(), WorkError> {
        let started = Instant::now();
        let _counted = self.under_way.begin(&batch.manifest.batch, task);
        let settings = &batch.manifest.settings;
        let seconds = |limit: u32| Duration::from_secs(limit.into());
        let limit = seconds(settings.task_timeout_s);
        health().task_begins(seconds(settings.image_timeout_s), limit);
        let (mut shared, mut alone) = (None, None);
        match mode {
            Mode::Shared => shared = Some(self.alone.read().await),
            Mode::Isolated => alone = Some(self.alone.write().await),
        }
        let worker = self.engine(batch).await?;
        let range = batch.manifest.task_images(task);
        let images = batch.images.read(range.clone()).await?;
        // A retry does only the chosen images again.
        let kept = ParentRows::of(batch).await?.rows(task, range).await?;
        let count = kept.iter().filter(|row| row.is_none()).count();
        let isolated = async |done: &[Option<Row>]| {
            metrics().isolated_tasks.increment();
            worker.isolated_part(batch, task, &images, done).await
        };
        let part = match mode {
            Mode::Shared => match worker.part_within(limit, &images, &kept).await {
                Ok(Worked::Whole(part)) => Ok(part),
                Ok(Worked::Late(done)) => {
                    tracing::warn!(
                        ?limit,
                        "the task exceeds its time limit; what is left of it is done image by image"
                    );
                    drop(shared.take());
                    alone = Some(self.alone.write().await);
                    isolated(&done).await
                }
                Err(error) => Err(error),
            },
            Mode::Isolated => isolated(&kept).await,
        };
        let part: Part = match part {
            Ok(part) => part,
            Err(TaskError::Engine(error)) => {
                self.engines.forget(&batch.manifest.settings).await;
                return Err(WorkError::NotNow(error.to_string()));
            }
            Err(TaskError::Fetch(reason)) => return Err(WorkError::NotNow(reason)),
            Err(TaskError::Batch(error)) => return Err(error.into()),
        };
        drop((shared, alone));
        failpoint::pass(Step::BeforeStore);
        let storing = Instant::now();
        let created = batch.store_part(task, &part).instrument(tracing::info_span!("store")).await?;
        metrics().took(Stage::Store, storing.elapsed());
        metrics().took(Stage::Task, started.elapsed());
        failpoint::pass(Step::AfterStore);
        let seconds = started.elapsed().as_secs_f64();
        match created {
            Created::Now => tracing::info!(images = count, ?mode, seconds, "part stored"),
            Created::Before => tracing::info!(images = count, ?mode, seconds, "the part was there before; it stays"),
        }
        self.finishing.count(batch, count as u64).await;
        Ok(())
    }

    /// The engine for a batch; a model that cannot be loaded is noted once.
    pub(super) async fn engine(&self, batch: &StoredBatch) -> Result<Arc<TaskWorker>, WorkError> {
        match self.engines.get(&batch.manifest.settings).await {
            Ok(worker) => Ok(worker),
            // Nobody else is asked for: this worker was started for this very batch.
            Err(EngineError::Model(reason)) if self.own_batch.as_ref() == Some(&batch.manifest.batch) => {
                Err(WorkError::Fatal(Failure::usage(reason)))
            }
            Err(EngineError::Model(reason)) => {
                if self.left_to_others.lock().await.insert(batch.manifest.batch.clone()) {
                    tracing::error!(batch = %batch.manifest.batch, reason, "the batch is left to other workers");
                    let note = format!("model-{}-{}", self.started.as_microsecond(), std::process::id());
                    self.store.create(&batch.layout().note(&note)?, reason.clone().into()).await?;
                }
                Err(WorkError::LeftToOthers(reason))
            }
            Err(error) => Err(WorkError::NotNow(error.to_string())),
        }
    }
}

/// Why a task has no part yet.
#[derive(Debug)]
pub(super) enum WorkError {
    /// Something passing: again later, here or elsewhere.
    NotNow(String),
    /// This worker cannot load the model.
    LeftToOthers(String),
    /// This process cannot go on.
    Fatal(Failure),
}

impl<E: Into<Failure>> From<E> for WorkError {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

/// What everything that is logged about a task says of it.
fn task_span(batch: &str, task: u64, trace: &TraceContext) -> Span {
    let span = tracing::info_span!("task", batch, task, trace_id = trace.trace_id());
    telemetry::follow(&span, trace);
    span
}
