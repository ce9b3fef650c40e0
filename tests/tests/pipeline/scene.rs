//! A queue, an S3 store with images, and the two programs.

use std::collections::BTreeMap;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tests::s3::S3Server;

/// Every scene ends within this time, or hangs.
pub const LIMIT: Duration = Duration::from_secs(180);

/// A store and a queue of one test.
pub struct Scene {
    pub s3: S3Server,
    pub queue: String,
    amqp_url: String,
}

impl Scene {
    /// An empty store and a declared queue on the broker at `amqp_url`.
    pub async fn start(amqp_url: String) -> Self {
        static SCENES: AtomicU32 = AtomicU32::new(0);
        let s3 = S3Server::start().await.unwrap();
        s3.create_bucket("photos");
        s3.create_bucket("results");
        let queue = format!("pipeline-{}-{}", std::process::id(), SCENES.fetch_add(1, Ordering::Relaxed));
        let scene = Self { s3, queue, amqp_url };
        scene.produce(&["setup"]).await;
        scene
    }

    /// Puts `count` small images below `photos/`.
    pub fn put_images(&self, count: u32) {
        for at in 0..count {
            self.s3.put("photos", &format!("{at:05}.png"), png(at));
        }
    }

    /// Makes a batch of everything below `photos/`.
    pub async fn enqueue(&self, batch: &str) {
        let limits = ["--task-size", "8", "--task-timeout", "2", "--image-timeout", "2"];
        self.produce(&[&["enqueue", "s3://photos/", "--batch", batch], &limits[..]].concat()).await;
    }

    /// Runs the producer, which must succeed; gives its stdout.
    pub async fn produce(&self, args: &[&str]) -> String {
        let output = self.try_produce(args).await;
        assert!(output.status.success(), "producer {args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs the producer to its end.
    pub async fn try_produce(&self, args: &[&str]) -> Output {
        self.try_produce_with(args, &[]).await
    }

    /// Runs the producer to its end, with more variables.
    pub async fn try_produce_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_producer-under-test"), args);
        command.envs(variables.iter().copied());
        wait(command).await
    }

    /// Starts a worker that ends with the batch.
    pub fn worker(&self, batch: &str) -> Child {
        self.worker_with(batch, &[])
    }

    /// The same, with more variables.
    pub fn worker_with(&self, batch: &str, variables: &[(&str, &str)]) -> Child {
        let args = ["run", "--until-complete", "--batch", batch, "--threads", "1", "--max-memory", "600MiB"];
        let mut command = self.command(env!("CARGO_BIN_EXE_worker-under-test"), &args);
        command.envs(variables.iter().copied()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null());
        command.env("PIXELMILL_STORE", "s3://results/store").env("PIXELMILL_QUEUE", &self.queue);
        command.env("PIXELMILL_AMQP_URL", &self.amqp_url).envs(self.s3.environment());
        command
    }

    /// The rows of the batch, by the name of the part.
    pub fn parts(&self, batch: &str) -> BTreeMap<String, Vec<u8>> {
        let prefix = format!("store/batches/{batch}/parts/");
        let objects = self.s3.objects("results").into_iter();
        objects.filter_map(|(key, content)| Some((key.strip_prefix(&prefix)?.to_owned(), content.to_vec()))).collect()
    }

    /// Each image has exactly one row, the marker is gone.
    pub async fn verify(&self, batch: &str) {
        let verified = self.produce(&["verify", batch]).await;
        assert!(verified.contains("0 missing, 0 duplicate"), "{verified}");
        let marker = format!("store/queues/{}/open/{batch}", self.queue);
        assert!(!self.s3.objects("results").contains_key(&marker), "the marker is still there");
    }
}

/// Runs a command off the runtime, which serves S3 meanwhile.
async fn wait(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Waits until a worker ends; its exit code.
pub async fn ended(mut worker: Child) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = worker.try_wait().unwrap() {
            return status.code();
        }
        if started.elapsed() > LIMIT {
            worker.kill().unwrap();
            panic!("a worker did not end within {LIMIT:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A small image; another one for every seed.
pub fn png(seed: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..32 * 32 * 3).map(|at: u32| (at.wrapping_mul(seed * 7 + 13) >> 3) as u8).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 32, 32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    file
}
