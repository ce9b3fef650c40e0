//! A queue, an S3 store with images, and the two programs; and the checks in which every scene ends.

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use queue::{Admin, AmqpUrl, Broker, Consumer, ConsumerOptions, QueueError, Topology};

use crate::running::{Running, beside_this_one, output, terminate};
use crate::s3::S3Server;

/// What does not come within this time hangs. It is longer than whatever the programs wait for by themselves: a store that is
/// away, a manifest, or the usual patience with a silent queue.
pub const LIMIT: Duration = Duration::from_secs(600);
/// Between two looks at something that a test waits for.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// Eight images a task and a task time limit of two seconds: idle workers look at the manifest after four.
pub const HASTY: [&str; 4] = ["--task-size", "8", "--task-timeout", "2"];
/// Eight images a task and a patience of two hours: what is done is done through the queue, and at the first attempt however
/// busy the machine is.
pub const PATIENT: [&str; 4] = ["--task-size", "8", "--task-timeout", "3600"];

/// A store and a queue of one test.
pub struct Scene {
    /// The store, and where the images lie.
    pub s3: S3Server,
    /// The name of the queue.
    pub queue: String,
    amqp_url: String,
}

/// What is left on a queue and its dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Messages that wait.
    pub ready: u32,
    /// Messages that came back too often.
    pub dead: u32,
    /// Workers that take messages.
    pub consumers: u32,
}

impl Left {
    fn is_empty(self) -> bool {
        self.ready + self.dead == 0
    }
}

impl Scene {
    /// An empty store and a declared queue on the broker at `amqp_url`.
    ///
    /// # Panics
    /// When any of it cannot be had, as everything here: a scene that cannot be set fails its test.
    pub async fn start(amqp_url: String) -> Self {
        static SCENES: AtomicU32 = AtomicU32::new(0);
        let s3 = S3Server::start().await.expect("a port");
        s3.create_bucket("photos");
        s3.create_bucket("results");
        let queue = format!("pipeline-{}-{}", std::process::id(), SCENES.fetch_add(1, Ordering::Relaxed));
        let scene = Self { s3, queue, amqp_url };
        scene.produce(&["setup"]).await;
        scene
    }

    /// Puts `count` small images below `photos/`.
    pub fn put_images(&self, count: u32) {
        self.put_images_into("photos", count);
    }

    /// The same in another bucket, which is there.
    pub fn put_images_into(&self, bucket: &str, count: u32) {
        for at in 0..count {
            self.s3.put(bucket, &format!("{at:05}.png"), png(at));
        }
    }

    /// Makes a batch of everything below `photos/`, in [`HASTY`] tasks.
    pub async fn enqueue(&self, batch: &str) {
        self.enqueue_with(batch, &HASTY).await;
    }

    /// Makes a batch of everything below `photos/` with more arguments.
    pub async fn enqueue_with(&self, batch: &str, arguments: &[&str]) {
        self.produce(&[&["enqueue", "s3://photos/", "--batch", batch], arguments].concat()).await;
    }

    /// Runs the producer, which must succeed; gives its stdout.
    ///
    /// # Panics
    /// When it fails.
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
        let mut command = self.command("producer-under-test", args);
        command.envs(variables.iter().copied());
        output(command).await
    }

    /// Starts a worker that ends with the batch.
    pub fn worker(&self, batch: &str) -> Running {
        self.worker_with(batch, &[])
    }

    /// The same, with more variables.
    pub fn worker_with(&self, batch: &str, variables: &[(&str, &str)]) -> Running {
        self.start_worker(&["--until-complete", "--batch", batch], variables)
    }

    /// Starts a worker that ends when nothing of its queue is open.
    pub fn worker_of_queue(&self) -> Running {
        self.start_worker(&["--until-complete"], &[])
    }

    /// Starts a worker that runs until it is told to stop.
    pub fn endless_worker(&self) -> Running {
        self.start_worker(&[], &[])
    }

    fn start_worker(&self, goal: &[&str], variables: &[(&str, &str)]) -> Running {
        let args = [&["run", "--threads", "1", "--max-memory", "250MiB"], goal].concat();
        let mut command = self.command("worker-under-test", &args);
        command.envs(variables.iter().copied());
        Running::start(command.stderr(log()))
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(beside_this_one(program));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
        command.env("PIXELMILL_STORE", "s3://results/store").env("PIXELMILL_QUEUE", &self.queue);
        command.env("PIXELMILL_AMQP_URL", &self.amqp_url).envs(self.s3.environment());
        command
    }

    /// The rows of the batch, by the name of the part.
    pub fn parts(&self, batch: &str) -> BTreeMap<String, Bytes> {
        self.objects_below(&format!("store/batches/{batch}/parts/"))
    }

    fn objects_below(&self, prefix: &str) -> BTreeMap<String, Bytes> {
        let objects = self.s3.objects("results").into_iter();
        objects.filter_map(|(key, content)| Some((key.strip_prefix(prefix)?.to_owned(), content))).collect()
    }

    /// Whether the batch has its `_SUCCESS`.
    pub fn is_finished(&self, batch: &str) -> bool {
        self.s3.objects("results").contains_key(&format!("store/batches/{batch}/_SUCCESS"))
    }

    /// Waits until the batch has at least so many parts.
    ///
    /// # Panics
    /// When that takes longer than [`LIMIT`].
    pub async fn until_parts(&self, batch: &str, count: usize) {
        self.until(&format!("part {count} of {batch}"), async || self.parts(batch).len() >= count).await;
    }

    /// Waits for something that somebody else brings about.
    ///
    /// # Panics
    /// When that takes longer than [`LIMIT`].
    pub async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let started = Instant::now();
        while !condition().await {
            assert!(started.elapsed() < LIMIT, "{what} did not come within {LIMIT:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Each image has exactly one row, and the marker is gone.
    ///
    /// # Panics
    /// When that is not so.
    pub async fn verify(&self, batch: &str) {
        let verified = self.produce(&["verify", batch]).await;
        assert!(verified.contains("0 missing, 0 duplicate"), "{verified}");
        let marker = format!("store/queues/{}/open/{batch}", self.queue);
        assert!(!self.s3.objects("results").contains_key(&marker), "the marker of {batch} is still there");
    }

    /// The rows, as parts and as Parquet, are byte for byte those of a calm run over the same images.
    ///
    /// # Panics
    /// When they differ.
    pub fn assert_same(&self, batch: &str, calm: &str) {
        let results = |batch: &str| self.objects_below(&format!("store/batches/{batch}/results-"));
        for (found, expected) in [(self.parts(batch), self.parts(calm)), (results(batch), results(calm))] {
            assert!(!expected.is_empty() && found.keys().eq(expected.keys()), "{batch}: other objects than {calm}");
            let differing: Vec<_> = found.iter().filter(|(name, content)| expected[*name] != **content).collect();
            assert!(differing.is_empty(), "{batch}: {:?} differ from {calm}", differing.first());
        }
    }

    /// Takes the first `count` messages of the queue and rejects them, as those that came back too often.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn reject(&self, count: usize) {
        let broker = Broker::new(self.amqp_url.parse::<AmqpUrl>().expect("a URL"), "undertaker");
        let options = ConsumerOptions { prefetch: 1, ..ConsumerOptions::default() };
        let mut consumer = Consumer::start(&broker, &Topology::new(&self.queue).expect("a name"), options);
        for _ in 0..count {
            let delivery = tokio::time::timeout(LIMIT, consumer.next()).await.expect("in time").expect("a message");
            delivery.reject().await;
        }
        consumer.stop(Duration::from_secs(5)).await;
    }

    /// What waits on the queue; nothing if there is none. Absent if the broker does not answer in time.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn left(&self) -> Option<Left> {
        let broker = Broker::new(self.amqp_url.parse::<AmqpUrl>().expect("a URL"), "tests");
        let mut admin = Admin::new(&broker, &Topology::new(&self.queue).expect("a name"));
        let ready = |depth: Result<queue::Depth, QueueError>| match depth {
            Ok(depth) => Some((depth.ready, depth.consumers)),
            Err(QueueError::Missing { .. }) => Some((0, 0)),
            Err(error) => {
                assert!(error.is_transient(), "no look at the queue: {error}");
                None
            }
        };
        let (queue, dead) = (ready(admin.depth().await), ready(admin.dead_depth().await));
        admin.close().await;
        let ((ready, consumers), (dead, _)) = (queue?, dead?);
        Some(Left { ready, dead, consumers })
    }

    /// A worker empties the queue of what is left for batches that are finished, stops when it is told to, and leaves nothing
    /// behind; dead letters go by `reconcile`.
    ///
    /// # Panics
    /// When something stays.
    pub async fn drain(&self) {
        let worker = self.endless_worker();
        // Those that the broker could not let go of, for want of a binding, come late.
        let without_dead_letters = async || {
            let left = self.left().await;
            if left.is_some_and(|left| left.dead > 0) {
                self.produce(&["reconcile", "--open"]).await;
            }
            left
        };
        let taken = async || without_dead_letters().await.is_some_and(|left| left.consumers > 0 && left.is_empty());
        self.until("an empty queue", taken).await;
        assert_eq!(terminate(worker).await, Some(143));
        let empty = async || without_dead_letters().await.is_some_and(Left::is_empty);
        self.until("a queue that is still empty", empty).await;
    }
}

/// Where workers log: nowhere, or to the stderr of the test with `PIXELMILL_TEST_LOG=1`.
fn log() -> Stdio {
    if std::env::var_os("PIXELMILL_TEST_LOG").is_some() { Stdio::inherit() } else { Stdio::null() }
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A small image; another one for every seed.
///
/// # Panics
/// Never: it is written to memory.
pub fn png(seed: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..32 * 32 * 3).map(|at: u32| (at.wrapping_mul(seed * 7 + 13) >> 3) as u8).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 32, 32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("memory");
    writer.write_image_data(&pixels).expect("memory");
    writer.finish().expect("memory");
    file
}
