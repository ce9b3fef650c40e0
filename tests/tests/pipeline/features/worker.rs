//! A worker with variables of its own, whose log can be read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use serde_json::{Map, Value};
use tests::cgroup::Cgroup;
use tests::http;
use tests::running::Running;
use tests::scene::{LIMIT, Scene};

const WORKER: &str = env!("CARGO_BIN_EXE_worker-under-test");

/// A running worker.
pub struct Worker {
    process: Running,
    folder: tempfile::TempDir,
    address: OnceLock<SocketAddr>,
}

impl Worker {
    /// Starts `worker run` with these arguments and variables on the queue and the store of `scene`.
    pub fn start(scene: &Scene, amqp_url: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Worker {
        let mut command = Command::new(WORKER);
        command.args(["run", "--threads", "1", "--max-memory", "600MiB"]).args(arguments);
        Worker::launch(command, scene, amqp_url, variables)
    }

    /// Starts one in a control group, with no other limit of its memory.
    pub fn start_in(group: &Cgroup, scene: &Scene, amqp_url: &str, arguments: &[&str]) -> Worker {
        let mut command = group.command(WORKER);
        command.args(["run", "--threads", "1"]).args(arguments);
        Worker::launch(command, scene, amqp_url, &[])
    }

    fn launch(mut command: Command, scene: &Scene, amqp_url: &str, variables: &[(&str, &str)]) -> Worker {
        let folder = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.env("PIXELMILL_STORE", "s3://results/store").env("PIXELMILL_QUEUE", &scene.queue);
        command.env("PIXELMILL_AMQP_URL", amqp_url).envs(scene.s3.environment());
        command.env("PIXELMILL_LISTEN", "127.0.0.1:0");
        command.env("PIXELMILL_TERMINATION_LOG", folder.path().join("last-words"));
        command.env("PIXELMILL_MODEL_CACHE", folder.path().join("models"));
        command.envs(variables.iter().copied());
        Worker { process: Running::start(&mut command), folder, address: OnceLock::new() }
    }

    /// Waits for its end; the exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        self.process.ended().await
    }

    /// Tells it to stop.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// What it left for Kubernetes.
    pub fn last_words(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("last-words")).unwrap_or_default()
    }

    /// Its own model cache.
    pub fn models(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    /// What it logged so far; everything but the last words is JSON.
    pub fn log(&self) -> Vec<Map<String, Value>> {
        let text = std::fs::read(self.folder.path().join("log")).unwrap();
        let text = String::from_utf8_lossy(&text);
        // It may be writing the last line at this moment.
        let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
        whole.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until it logs something with this message.
    pub async fn until_logged(&self, message: &str) {
        let logged = async || self.log().iter().any(|line| line["message"].as_str() == Some(message));
        until(message, logged).await;
    }

    /// Where it serves metrics and health, once it says so.
    pub fn address(&self) -> Option<SocketAddr> {
        if self.address.get().is_none() {
            let log = self.log();
            let serving = log.iter().find(|line| line["message"] == "serving /metrics, /livez and /readyz")?;
            let _seen_before = self.address.set(serving["address"].as_str()?.parse().ok()?);
        }
        self.address.get().copied()
    }

    /// Status and body of a page; 0 while nothing is served.
    pub async fn page(&self, path: &str) -> (u16, String) {
        match self.address() {
            Some(address) => http::get(address, path).await.unwrap_or_default(),
            None => Default::default(),
        }
    }

    /// The value of a metric, its labels as they are served.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.page("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        line.unwrap_or(f64::NAN)
    }
}

/// Waits for something that somebody else brings about.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < LIMIT, "{what} did not come within {LIMIT:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
