//! All metrics of a worker. Their names are a contract, written down in `docs/METRICS.md` and compared with it by a test.

use std::sync::LazyLock;
use std::time::Duration;

use batch::{ErrorCode, Outcome};
use queue::ConsumerStatus;
use store::Traffic;

use super::exposition::Exposition;
use super::health::{Health, unix_seconds};
use super::labels::{EngineEnd, EngineStart, IMAGE_OUTCOMES, LetterEnd, ModelPlace, Source, Stage, TaskEnd, TrialEnd};
use super::values::{Counter, Counters, Gauge, Histogram};
use crate::machine;

/// Everything that is counted; see `docs/METRICS.md` for what each means.
#[derive(Default)]
pub struct Metrics {
    images: Counters<{ ErrorCode::ALL.len() + 1 }>,
    stages: [Histogram; Stage::COUNT],
    task_ends: Counters<{ TaskEnd::COUNT }>,
    task_starts: Counters<{ Source::COUNT }>,
    engine_starts: Counters<{ EngineStart::COUNT }>,
    engine_ends: Counters<{ EngineEnd::COUNT }>,
    trials: Counters<{ TrialEnd::COUNT }>,
    letters: Counters<{ LetterEnd::COUNT }>,
    models: Counters<{ ModelPlace::COUNT }>,
    /// Tasks worked on image by image.
    pub isolated_tasks: Counter,
    /// Messages that were handed out before.
    pub redelivered: Counter,
    /// Bytes of images.
    pub fetched_bytes: Counter,
    /// Images that were close calls, and decoded once more in full.
    pub second_looks: Counter,
    /// Batches whose `_SUCCESS` this worker wrote.
    pub finished_batches: Counter,
    /// Tasks under way.
    pub tasks_in_flight: Gauge,
    /// Images that are fetched or worked on.
    pub images_in_flight: Gauge,
    /// Shared engines that run.
    pub engines: Gauge,
    /// Bytes of the packages in the model cache, as last seen.
    pub model_cache_bytes: Gauge,
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::default);
    &METRICS
}

impl Metrics {
    /// An image has an outcome.
    pub fn image(&self, outcome: &Outcome) {
        let error = outcome.error.as_ref().filter(|_| outcome.top.is_empty());
        let place = error.and_then(|error| ErrorCode::ALL.iter().position(|code| *code == error.code));
        self.images.of(place.map_or(0, |place| place + 1)).increment();
    }

    /// Something took so long.
    pub fn took(&self, stage: Stage, time: Duration) {
        self.stages[stage as usize].record(time);
    }

    /// A task comes to this worker.
    pub fn task_started(&self, source: Source) {
        self.task_starts.of(source as usize).increment();
    }

    /// A task leaves this worker.
    pub fn task_ended(&self, end: TaskEnd) {
        self.task_ends.of(end as usize).increment();
    }

    /// An engine was started, or not.
    pub fn engine_started(&self, result: EngineStart) {
        self.engine_starts.of(result as usize).increment();
    }

    /// A shared engine ended before its time.
    pub fn engine_ended(&self, reason: EngineEnd) {
        self.engine_ends.of(reason as usize).increment();
    }

    /// An image was tried alone.
    pub fn trial(&self, result: TrialEnd) {
        self.trials.of(result as usize).increment();
    }

    /// So many dead letters were dealt with.
    pub fn dead_letters(&self, end: LetterEnd, count: u64) {
        self.letters.of(end as usize).add(count);
    }

    /// A model package was looked for.
    pub fn model(&self, found: ModelPlace) {
        self.models.of(found as usize).increment();
    }

    /// The text for Prometheus.
    pub fn render(&self, health: &Health) -> String {
        let mut text = Exposition::default();
        self.render_work(&mut text);
        self.render_engines(&mut text);
        render_queue(&mut text, health.queue().as_ref());
        render_store(&mut text, store::traffic());
        self.render_process(&mut text, health);
        text.finish()
    }

    fn render_work(&self, text: &mut Exposition) {
        text.counters(
            "pixelmill_images_total",
            "Images worked on, by outcome: ok or an error code.",
            &IMAGE_OUTCOMES,
            &self.images,
        );
        text.counter("pixelmill_fetched_bytes_total", "Bytes of images fetched.", self.fetched_bytes.get());
        text.counter(
            "pixelmill_second_looks_total",
            "Images decoded once more, in full, because their two best classes were close.",
            self.second_looks.get(),
        );
        text.gauge(
            "pixelmill_images_in_flight",
            "Images being fetched, decoded or classified.",
            self.images_in_flight.get(),
        );
        text.counters(
            "pixelmill_tasks_started_total",
            "Tasks begun, by how they came.",
            &Source::LABEL,
            &self.task_starts,
        );
        text.counter(
            "pixelmill_tasks_isolated_total",
            "Tasks worked on image by image, each in a process of its own.",
            self.isolated_tasks.get(),
        );
        text.counters("pixelmill_tasks_total", "Tasks ended, by outcome.", &TaskEnd::LABEL, &self.task_ends);
        text.gauge("pixelmill_tasks_in_flight", "Tasks under way.", self.tasks_in_flight.get());
        text.histograms("pixelmill_stage_seconds", "How long a stage took.", &Stage::LABEL, &self.stages);
        text.counter(
            "pixelmill_batches_finished_total",
            "Batches that this worker finished.",
            self.finished_batches.get(),
        );
    }

    fn render_engines(&self, text: &mut Exposition) {
        text.counters(
            "pixelmill_engine_starts_total",
            "Engine processes started, by result.",
            &EngineStart::LABEL,
            &self.engine_starts,
        );
        text.counters(
            "pixelmill_engine_deaths_total",
            "Shared engines that ended before their time.",
            &EngineEnd::LABEL,
            &self.engine_ends,
        );
        text.gauge("pixelmill_engines", "Shared engines running.", self.engines.get());
        text.counters(
            "pixelmill_trials_total",
            "Suspicious images tried alone in a process of their own, by result.",
            &TrialEnd::LABEL,
            &self.trials,
        );
        text.counters(
            "pixelmill_model_lookups_total",
            "Model packages looked for, by where they were found.",
            &ModelPlace::LABEL,
            &self.models,
        );
        text.gauge(
            "pixelmill_model_cache_bytes",
            "Bytes in the cache of model packages.",
            self.model_cache_bytes.get(),
        );
        text.counters(
            "pixelmill_dead_letters_total",
            "Dead letters dealt with, by outcome.",
            &LetterEnd::LABEL,
            &self.letters,
        );
        text.counter(
            "pixelmill_queue_redelivered_total",
            "Messages that had been handed out before.",
            self.redelivered.get(),
        );
    }

    fn render_process(&self, text: &mut Exposition, health: &Health) {
        let by_process = |parent: f64, engine: f64| {
            [("process=\"parent\"".to_owned(), parent), ("process=\"engine\"".to_owned(), engine)]
        };
        let cpu = machine::cpu_time();
        text.labelled(
            "pixelmill_cpu_seconds_total",
            "counter",
            "Core-seconds, user and system.",
            &by_process(cpu.parent, cpu.engines),
        );
        let memory = machine::resident_memory();
        text.labelled(
            "pixelmill_memory_bytes",
            "gauge",
            "Resident memory.",
            &by_process(memory.parent as f64, memory.engines as f64),
        );
        text.gauge("pixelmill_cores", "Cores that this process may use.", machine::cores());
        text.gauge(
            "pixelmill_ready",
            "Whether /readyz says yes (1) or no (0).",
            u8::from(health.ready(self.engines.get()).is_ok()),
        );
        text.gauge(
            "pixelmill_last_progress_timestamp_seconds",
            "When an image or a task last came to its end, seconds since 1970; 0 if none did.",
            health.last_progress().map_or(0.0, unix_seconds),
        );
        text.gauge("pixelmill_start_timestamp_seconds", "When the worker started, seconds since 1970.", {
            unix_seconds(health.started())
        });
        text.labelled(
            "pixelmill_build_info",
            "gauge",
            "1; the labels say what runs.",
            &[(format!("version=\"{}\",arch=\"{}\"", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH), 1.0)],
        );
    }
}

fn render_queue(text: &mut Exposition, queue: Option<&ConsumerStatus>) {
    let connected = queue.is_some_and(ConsumerStatus::is_connected);
    text.gauge("pixelmill_queue_connected", "Whether the queue is subscribed (1) or not (0).", u8::from(connected));
    text.counter(
        "pixelmill_queue_reconnects_total",
        "Subscriptions built anew after a loss.",
        queue.map_or(0, ConsumerStatus::reconnects),
    );
    text.counter("pixelmill_queue_deliveries_total", "Messages received.", queue.map_or(0, ConsumerStatus::deliveries));
    text.gauge(
        "pixelmill_queue_silence_seconds",
        "Seconds since the last message.",
        queue.map_or(0.0, |queue| queue.idle().as_secs_f64()),
    );
}

fn render_store(text: &mut Exposition, traffic: &Traffic) {
    text.counter("pixelmill_store_attempts_total", "Requests sent to S3 or to a web server.", traffic.attempts());
    let faults = traffic.faults().map(|(kind, count)| (format!("kind=\"{kind}\""), count as f64));
    text.labelled(
        "pixelmill_store_faults_total",
        "counter",
        "Requests that failed, by kind; transient ones are tried again.",
        &faults,
    );
    text.counter(
        "pixelmill_store_given_up_total",
        "Operations given up after all retries: the store was out for long.",
        traffic.given_up(),
    );
}

#[cfg(test)]
mod tests;
