//! The thread that sends spans, some at a time, and gives up on those that nobody takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use tokio::runtime::Runtime;

use super::encode;
use super::settings::Settings;
use super::spans::SpanData;

/// Spans that wait; more are dropped, so that a collector that is out costs a bounded amount of memory.
const WAITING: usize = 4096;
/// Spans of one request.
const AT_ONCE: usize = 512;
/// Spans wait at most about so long for others.
const EVERY: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(10);
/// How long the end of the program waits for the last spans.
const FINISH: Duration = Duration::from_secs(3);
const TRIES: u32 = 3;

/// Takes spans from any thread without waiting.
#[derive(Clone)]
pub(super) struct Sender {
    queue: SyncSender<Order>,
    dropped: Arc<AtomicU64>,
}

enum Order {
    Send(Box<SpanData>),
    /// Send what is there, then answer.
    Flush(SyncSender<()>),
}

struct Collector {
    client: Client,
    settings: Settings,
    dropped: Arc<AtomicU64>,
}

impl Sender {
    pub(super) fn start(settings: Settings) -> Result<Sender, String> {
        // Two TLS providers in one binary panic at their first use unless one was chosen; who chose before is right too.
        let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let wrong = || format!("OTEL_EXPORTER_OTLP_HEADERS: {name} cannot be a header");
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let client = Client::builder().timeout(REQUEST).default_headers(headers).build().map_err(|e| e.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let (queue, orders) = mpsc::sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let collector = Collector { client, settings, dropped: dropped.clone() };
        let thread = std::thread::Builder::new().name("otlp".into());
        thread.spawn(move || collector.work(&orders, &runtime)).map_err(|error| error.to_string())?;
        Ok(Sender { queue, dropped })
    }

    pub(super) fn send(&self, span: SpanData) {
        if self.queue.try_send(Order::Send(Box::new(span))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn finish(self) {
        let (answer, answered) = mpsc::sync_channel(1);
        if self.queue.try_send(Order::Flush(answer)).is_ok() {
            let _too_late = answered.recv_timeout(FINISH);
        }
    }
}

impl Collector {
    fn work(self, orders: &Receiver<Order>, runtime: &Runtime) {
        loop {
            let (spans, end) = gather(orders);
            if !spans.is_empty() {
                runtime.block_on(self.export(&spans));
            }
            match end {
                End::Full => {}
                End::Flush(answer) => drop(answer.try_send(())),
                End::Over => return,
            }
        }
    }

    async fn export(&self, spans: &[SpanData]) {
        let body = encode::request(&self.settings.resource, spans).to_string();
        let mut pause = Duration::from_millis(500);
        for attempt in 1..=TRIES {
            let trouble = match self.client.post(&self.settings.url).body(body.clone()).send().await {
                Ok(answer) if answer.status().is_success() => return self.report(),
                Ok(answer) if !may_pass(answer.status()) => {
                    return self.lose(spans.len(), &format!("the collector said {}", answer.status()));
                }
                Ok(answer) => format!("the collector said {}", answer.status()),
                // The URL may hold a key.
                Err(error) => error.without_url().to_string(),
            };
            if attempt == TRIES {
                return self.lose(spans.len(), &trouble);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    fn lose(&self, spans: usize, why: &str) {
        tracing::warn!(spans, why, "spans were not exported");
    }

    fn report(&self) {
        match self.dropped.swap(0, Ordering::Relaxed) {
            0 => {}
            spans => tracing::warn!(spans, "spans were dropped: the collector takes fewer than there are"),
        }
    }
}

/// Why gathering ended.
enum End {
    Full,
    Flush(SyncSender<()>),
    Over,
}

/// Waits for spans, and a little more for others to go with them.
fn gather(orders: &Receiver<Order>) -> (Vec<SpanData>, End) {
    let mut spans = Vec::new();
    let mut until = Instant::now() + EVERY;
    while spans.len() < AT_ONCE {
        match orders.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Order::Send(span)) => spans.push(*span),
            Ok(Order::Flush(answer)) => return (spans, End::Flush(answer)),
            Err(RecvTimeoutError::Timeout) if spans.is_empty() => until = Instant::now() + EVERY,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return (spans, End::Over),
        }
    }
    (spans, End::Full)
}

/// As the protocol says what may be tried again.
fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}
