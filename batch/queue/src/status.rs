//! What a consumer shows of itself to metrics and to whoever decides that the queue has been silent for too long.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A live view of a consumer; clones show the same consumer.
#[derive(Debug, Clone)]
pub struct ConsumerStatus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    subscribed: AtomicBool,
    subscriptions: AtomicU64,
    deliveries: AtomicU64,
    last_delivery: Mutex<Instant>,
    trouble: Mutex<Option<String>>,
}

impl ConsumerStatus {
    /// Whether the consumer is subscribed now.
    pub fn is_connected(&self) -> bool {
        self.0.subscribed.load(Ordering::Relaxed)
    }

    /// How often the subscription was built anew after a loss.
    pub fn reconnects(&self) -> u64 {
        self.0.subscriptions.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// How many messages have come.
    pub fn deliveries(&self) -> u64 {
        self.0.deliveries.load(Ordering::Relaxed)
    }

    /// How long no message has come, counted from the start if there was none; a broker that is away counts as silence.
    pub fn idle(&self) -> Duration {
        lock(&self.0.last_delivery).elapsed()
    }

    /// Why the consumer is not subscribed, while it is not.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.0.trouble).clone()
    }

    pub(crate) fn new() -> ConsumerStatus {
        ConsumerStatus(Arc::new(Inner {
            subscribed: AtomicBool::new(false),
            subscriptions: AtomicU64::new(0),
            deliveries: AtomicU64::new(0),
            last_delivery: Mutex::new(Instant::now()),
            trouble: Mutex::new(None),
        }))
    }

    pub(crate) fn was_ever_connected(&self) -> bool {
        self.0.subscriptions.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn subscribed(&self) {
        *lock(&self.0.trouble) = None;
        self.0.subscriptions.fetch_add(1, Ordering::Relaxed);
        self.0.subscribed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self, why: &str) {
        *lock(&self.0.trouble) = Some(why.to_owned());
        self.0.subscribed.store(false, Ordering::Relaxed);
    }

    pub(crate) fn delivered(&self) {
        self.0.deliveries.fetch_add(1, Ordering::Relaxed);
        *lock(&self.0.last_delivery) = Instant::now();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
