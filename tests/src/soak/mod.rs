//! The soak: one batch after the other through random faults, each compared with a calm run.

mod acts;
mod crew;
mod dice;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::proxy::TcpProxy;
use crate::rabbitmq::Node;
use crate::scene::Scene;
use crate::storm;
use acts::Act;
use crew::Crew;
use dice::Dice;

const IMAGES: u32 = 5000;
const WORKERS: usize = 3;
/// Files that abort, hang and allocate without end; they get the same error rows in calm and storm.
const POISON: [(u32, &str); 3] = [(1234, "abort"), (2345, "hang"), (3456, "allocate")];
/// Tasks of eight images, so that much is under way, and little patience, so that lost work is found soon.
const ARGUMENTS: [&str; 6] = ["--task-size", "8", "--task-timeout", "5", "--image-timeout", "2"];
/// A batch that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(20 * 60);
const CALM: &str = "calm";

/// A broker, a store, and what happened to them.
pub struct Soak {
    node: Node,
    proxy: TcpProxy,
    scene: Scene,
    /// Between two kills of the first storm.
    pause: Duration,
    dice: Dice,
    batches: u32,
    counts: BTreeMap<&'static str, u32>,
    longest: Duration,
}

impl Soak {
    /// Starts everything and does the calm run.
    ///
    /// # Errors
    /// When RabbitMQ cannot be started.
    ///
    /// # Panics
    /// When the calm run fails.
    pub async fn start(seed: u64) -> Result<Soak> {
        let node = Node::start().await?;
        let proxy = TcpProxy::start(node.address())?;
        let scene = Scene::start(format!("amqp://guest:guest@{}", proxy.address())).await;
        scene.put_images(IMAGES);
        for (at, order) in POISON {
            scene.s3.put("photos", &format!("{at:05}.png"), format!("PIXELMILL-TEST:{order}"));
        }
        scene.s3.faults().seed(seed);
        scene.enqueue_with(CALM, &ARGUMENTS).await;
        let pause = storm::calm(&scene, CALM).await;
        let (dice, counts) = (Dice::new(seed), BTreeMap::new());
        Ok(Soak { node, proxy, scene, pause, dice, batches: 0, counts, longest: Duration::ZERO })
    }

    /// One batch through the storm; the first one in nothing but killed workers, without a pause.
    ///
    /// # Panics
    /// When a row differs from the calm run, or the batch does not end.
    pub async fn batch(&mut self, end: Instant) {
        let started = Instant::now();
        let batch = format!("storm-{}", self.batches);
        if self.batches == 0 {
            self.scene.enqueue_with(&batch, &ARGUMENTS).await;
            let killed = storm::kill_workers(&self.scene, &batch, WORKERS, self.pause, LIMIT).await;
            *self.counts.entry(Act::KillWorker.name()).or_default() += killed as u32;
        } else {
            self.enqueue(&batch).await;
            let mut crew = Crew::start(&self.scene, WORKERS);
            while !self.scene.is_finished(&batch) {
                assert!(started.elapsed() < LIMIT, "{batch} is not finished after {LIMIT:?}");
                crew.replace_ended(&self.scene);
                if Instant::now() < end {
                    let act = self.dice.choose(&Act::ALL, Act::weight);
                    *self.counts.entry(act.name()).or_default() += 1;
                    self.perform(act, &batch, &mut crew).await;
                }
                sleep(self.dice.millis(200, 1500)).await;
            }
            self.calm_down().await;
            crew.stop().await;
        }
        self.scene.verify(&batch).await;
        self.scene.assert_same(&batch, CALM);
        self.batches += 1;
        self.longest = self.longest.max(started.elapsed());
    }

    /// Empties the queue, as the last thing.
    ///
    /// # Panics
    /// When something stays on it, or a marker in the store.
    pub async fn finish(&mut self) {
        // What was purged or deleted in the last moments is not missed: all batches are finished.
        self.scene.produce(&["reconcile", "--open"]).await;
        self.scene.drain().await;
        let open = format!("store/queues/{}/open/", self.scene.queue);
        let markers = self.scene.s3.objects("results").into_keys().filter(|key| key.starts_with(&open)).count();
        assert_eq!((markers, self.scene.s3.open_uploads()), (0, 0), "markers, uploads");
    }

    /// What happened so far.
    pub fn figures(&self) -> String {
        let faults = self.scene.s3.faults();
        let mut text = format!(
            "soak: {} batches of {IMAGES} images on {WORKERS} workers, the longest in {:.0} s, the first killed every {} ms; \
             S3: {} of {} requests went wrong",
            self.batches,
            self.longest.as_secs_f64(),
            self.pause.as_millis(),
            faults.injected(),
            faults.requests(),
        );
        for (act, count) in &self.counts {
            let _to_memory = write!(text, "; {act}: {count}");
        }
        text
    }

    /// Made by a producer that is killed at some step, sometimes by two at a time; and made again until it succeeds.
    async fn enqueue(&mut self, batch: &str) {
        let args = [&["enqueue", "s3://photos/", "--batch", batch], &ARGUMENTS[..]].concat();
        let steps = ["after-images", "after-manifest", "after-marker", "mid-publish", "after-publish"];
        let step = self.dice.choose(&steps, |_| 1);
        let killed = [("PIXELMILL_FAILPOINT", step)];
        let (first, second) =
            tokio::join!(self.scene.try_produce_with(&args, &killed), self.scene.try_produce_with(&args, &killed));
        assert!(!first.status.success() && !second.status.success(), "{step} was not reached");
        self.scene.produce(&args).await;
    }
}
