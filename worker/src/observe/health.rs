//! Whether this worker lives, and whether it can work.
//!
//! *Alive* is hard to lose: only a runtime that stands still, or work that makes no step for far longer than all its
//! limits allow, is worth a restart. An outage of broker or store is not. *Ready* says whether there is a way to get tasks
//! and an engine to do them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use queue::ConsumerStatus;

/// Between two beats of the runtime.
const BEAT: Duration = Duration::from_secs(1);
/// A runtime without a beat for so long stands still: nothing on it may block for more than milliseconds.
const STANDSTILL: Duration = Duration::from_secs(60);
/// What store and source may take for one image or part with all their retries, several times over.
const OUTAGES: Duration = Duration::from_secs(15 * 60);
/// Work may take so many times its own limit without a step before the worker counts as stuck.
const FAR_BEYOND: u32 = 10;
/// The store's markers were listed within this time: tasks can be found without a broker.
const FRESH_LOOK: Duration = Duration::from_secs(60);

/// What is known of the health of this process. Times are milliseconds since its start, plus one; 0 is never.
pub struct Health {
    started: Instant,
    started_at: SystemTime,
    beat: AtomicU64,
    progress: AtomicU64,
    look: AtomicU64,
    /// The longest limit of a task so far, in seconds.
    task_limit: AtomicU64,
    engine_trouble: Mutex<Option<String>>,
    stopping: AtomicBool,
    queue: Mutex<Option<ConsumerStatus>>,
}

impl Default for Health {
    fn default() -> Self {
        let health = Self {
            started: Instant::now(),
            started_at: SystemTime::now(),
            beat: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            look: AtomicU64::new(0),
            task_limit: AtomicU64::new(0),
            engine_trouble: Mutex::default(),
            stopping: AtomicBool::new(false),
            queue: Mutex::default(),
        };
        health.beat();
        health
    }
}

impl Health {
    /// The runtime turns.
    pub fn beat(&self) {
        self.beat.store(self.now(), Ordering::Relaxed);
    }

    /// An image or a task came to its end, whatever that was, or a task begins.
    pub fn progress(&self) {
        self.progress.store(self.now(), Ordering::Relaxed);
    }

    /// A task begins whose own limits (for one image, for all) are these.
    pub fn task_begins(&self, image: Duration, task: Duration) {
        self.task_limit.fetch_max(image.max(task).as_secs(), Ordering::Relaxed);
        self.progress();
    }

    /// The store was asked for work and answered.
    pub fn looked(&self) {
        self.look.store(self.now(), Ordering::Relaxed);
    }

    /// An engine came up, or why it did not.
    pub fn engine(&self, result: Result<(), String>) {
        *lock(&self.engine_trouble) = result.err();
    }

    /// The worker is ending.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The subscription that brings tasks.
    pub fn watch(&self, queue: ConsumerStatus) {
        *lock(&self.queue) = Some(queue);
    }

    /// The subscription that brings tasks, once there is one.
    pub fn queue(&self) -> Option<ConsumerStatus> {
        lock(&self.queue).clone()
    }

    /// When the process started.
    pub fn started(&self) -> SystemTime {
        self.started_at
    }

    /// When something last came to its end.
    pub fn last_progress(&self) -> Option<SystemTime> {
        match self.progress.load(Ordering::Relaxed) {
            0 => None,
            at => Some(self.started_at + Duration::from_millis(at - 1)),
        }
    }

    /// Whether the worker lives with `working` tasks under way; if not, why only a restart can help.
    pub fn live(&self, working: i64) -> Result<String, String> {
        let silent = self.since(&self.beat).unwrap_or_default();
        if silent > STANDSTILL {
            return Err(format!("the runtime has stood still for {} s", silent.as_secs()));
        }
        let limit = self.stuck_after();
        match self.since(&self.progress) {
            Some(still) if working > 0 && still > limit => Err(format!(
                "{working} tasks are under way and none made a step for {} s; their limits allow {} s",
                still.as_secs(),
                limit.as_secs()
            )),
            _ => Ok(format!("alive, {working} tasks under way")),
        }
    }

    /// Whether the worker, with so many engines running, can work; each line says how it stands with one thing.
    pub fn ready(&self, engines: i64) -> Result<String, String> {
        let stopping = self.stopping.load(Ordering::Relaxed);
        // A batch whose model cannot be loaded does not keep the worker from others.
        let engine = lock(&self.engine_trouble).clone().filter(|_| engines == 0);
        let queue = self.queue();
        let connected = queue.as_ref().is_some_and(ConsumerStatus::is_connected);
        let looking = self.since(&self.look).is_some_and(|ago| ago <= FRESH_LOOK);
        let broker = match queue.and_then(|queue| queue.trouble()) {
            _ if connected => "broker: subscribed".to_owned(),
            Some(trouble) => format!("broker: {trouble}"),
            None => "broker: not subscribed yet".to_owned(),
        };
        let manifests = if looking { "manifests: looked at" } else { "manifests: not looked at lately" };
        let engine_line = format!("engine: {}", engine.as_deref().unwrap_or("ok"));
        let end = if stopping { "\nstopping" } else { "" };
        let text = format!("{broker}\n{manifests}\n{engine_line}{end}");
        if !stopping && engine.is_none() && (connected || looking) { Ok(text) } else { Err(text) }
    }

    fn stuck_after(&self) -> Duration {
        OUTAGES + FAR_BEYOND * Duration::from_secs(self.task_limit.load(Ordering::Relaxed))
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64 + 1
    }

    fn since(&self, at: &AtomicU64) -> Option<Duration> {
        match at.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Duration::from_millis(self.now().saturating_sub(at))),
        }
    }
}

/// The health of this process.
pub fn health() -> &'static Health {
    static HEALTH: LazyLock<Health> = LazyLock::new(Health::default);
    &HEALTH
}

/// Beats as long as the runtime turns.
pub async fn beat() {
    loop {
        health().beat();
        tokio::time::sleep(BEAT).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
pub fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that started so long ago.
    fn aged(seconds: u64) -> Health {
        let started =
            Instant::now().checked_sub(Duration::from_secs(seconds)).expect("a machine that is up for longer");
        Health { started, ..Health::default() }
    }

    #[test]
    fn only_a_runtime_that_stands_still_or_work_without_any_step_is_dead() {
        let limits = (Duration::from_secs(30), Duration::from_secs(120));
        let health = aged(3000);
        assert!(health.live(0).unwrap_err().contains("stood still"), "no beat since the start");
        health.beat();
        assert!(health.live(3).is_ok(), "nothing began yet");
        health.task_begins(limits.0, limits.1);
        let step = health.progress.load(Ordering::Relaxed);
        for (ago, dead) in [(0, false), (1500, false), (2000, false), (2200, true)] {
            health.progress.store(step - ago * 1000, Ordering::Relaxed);
            assert_eq!(health.live(1).is_err(), dead, "no step for {ago} s");
            assert!(health.live(0).is_ok(), "an idle worker is never stuck");
        }
        health.task_begins(limits.0, Duration::from_secs(600));
        health.progress.store(step - 2_200_000, Ordering::Relaxed);
        assert!(health.live(1).is_ok(), "a task with longer limits is under way");
    }

    #[test]
    fn ready_needs_a_way_to_tasks_and_an_engine_that_comes_up() {
        let health = Health::default();
        assert!(health.ready(0).unwrap_err().contains("not subscribed yet"));
        health.looked();
        assert!(health.ready(0).is_ok(), "tasks come from the manifests without a broker");
        health.engine(Err("no memory".into()));
        assert!(health.ready(0).unwrap_err().contains("engine: no memory"));
        assert!(health.ready(1).is_ok(), "another engine runs");
        health.engine(Ok(()));
        assert!(health.ready(0).is_ok());
        health.stop();
        assert!(health.ready(1).unwrap_err().contains("stopping"));
    }
}
