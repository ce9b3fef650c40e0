//! The soak: one batch after the other through random faults, each compared with a calm run.

mod acts;
mod crew;
mod dice;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::proxy::TcpProxy;
use crate::rabbitmq::Node;
use crate::s3::Plan;
use crate::scene::Scene;
use crate::storm::{self, Progress};
use acts::Act;
use crew::Crew;
use dice::Dice;

const IMAGES: u32 = 5000;
const WORKERS: usize = 3;
/// Files that abort, hang and allocate without end; they get the same error rows in calm and storm.
const POISON: [(u32, &str); 3] = [(1234, "abort"), (2345, "hang"), (3456, "allocate")];
/// Tasks of eight images, so that much is under way, and little patience, so that lost work is found soon; but enough for an
/// image that takes all memory to do so on a busy machine before its time is over: calm and storm must end it alike.
const ARGUMENTS: [&str; 6] = ["--task-size", "8", "--task-timeout", "10", "--image-timeout", "8"];
/// A batch that gets no part for so long hangs. The longest outage, and the patience of the programs after it, are shorter.
const STANDSTILL: Duration = Duration::from_secs(8 * 60);

/// Images of a kind, and the calm run over them that others are compared with.
#[derive(Clone, Copy)]
struct Images {
    source: &'static str,
    calm: &'static str,
}

/// An image that hangs takes two proofs of eight seconds: nobody lives as long while workers are killed without a pause.
const CLEAN: Images = Images { source: "s3://photos/", calm: "calm" };
const POISONED: Images = Images { source: "s3://poisoned/", calm: "calm-poisoned" };

/// A broker, a store, and what happened to them.
pub struct Soak {
    node: Node,
    proxy: TcpProxy,
    scene: Arc<Scene>,
    seed: u64,
    started: Instant,
    /// Between two kills of the first storm.
    pause: Duration,
    dice: Dice,
    deck: Vec<Act>,
    batches: u32,
    counts: BTreeMap<&'static str, u32>,
    longest: Duration,
}

impl Soak {
    /// Starts everything and does the calm runs.
    ///
    /// # Errors
    /// When RabbitMQ cannot be started.
    ///
    /// # Panics
    /// When a calm run fails.
    pub async fn start(seed: u64) -> Result<Soak> {
        let started = Instant::now();
        let node = Node::start().await?;
        let proxy = TcpProxy::start(node.address())?;
        let scene = Arc::new(Scene::start(format!("amqp://guest:guest@{}", proxy.address())).await);
        scene.s3.create_bucket("poisoned");
        scene.put_images_into("photos", IMAGES);
        scene.put_images_into("poisoned", IMAGES);
        for (at, order) in POISON {
            scene.s3.put("poisoned", &format!("{at:05}.png"), format!("PIXELMILL-TEST:{order}"));
        }
        scene.s3.faults().seed(seed);
        scene.produce(&enqueue(CLEAN, CLEAN.calm)).await;
        let pause = storm::calm(&scene, CLEAN.calm).await;
        scene.produce(&enqueue(POISONED, POISONED.calm)).await;
        storm::calm(&scene, POISONED.calm).await;
        let (dice, counts, deck) = (Dice::new(seed), BTreeMap::new(), Vec::new());
        let (batches, longest) = (0, Duration::ZERO);
        Ok(Soak { node, proxy, scene, seed, started, pause, dice, deck, batches, counts, longest })
    }

    /// One batch through the storm: the first one in nothing but killed workers, without a pause; then in turns one that has
    /// poisoned images in all faults, and one that has none in all faults while other workers are killed without a pause.
    ///
    /// # Panics
    /// When a row differs from the calm run, or the batch does not end.
    pub async fn batch(&mut self, end: Instant) {
        let started = Instant::now();
        let batch = format!("storm-{}", self.batches);
        let images = if self.batches.is_multiple_of(2) { CLEAN } else { POISONED };
        let killer = |soak: &Soak| {
            let (scene, batch, pause) = (Arc::clone(&soak.scene), batch.clone(), soak.pause);
            tokio::spawn(async move { storm::kill_workers(&scene, &batch, WORKERS, pause, STANDSTILL).await })
        };
        match self.batches {
            0 => {
                self.scene.produce(&enqueue(images, &batch)).await;
                let killer = killer(self);
                self.count_killed(killer).await;
            }
            odd if odd % 2 == 1 => {
                self.enqueue(images, &batch).await;
                self.storm(images, &batch, WORKERS, end).await;
            }
            _ => {
                self.enqueue(images, &batch).await;
                let killer = killer(self);
                // One lives longer, to find what purged and deleted queues held.
                self.storm(images, &batch, 1, end).await;
                self.count_killed(killer).await;
            }
        }
        self.scene.verify(&batch).await;
        self.scene.assert_same(&batch, images.calm);
        self.batches += 1;
        self.longest = self.longest.max(started.elapsed());
    }

    async fn count_killed(&mut self, killer: JoinHandle<(usize, Duration)>) {
        let killed;
        (killed, self.pause) = killer.await.expect("workers that get on");
        *self.counts.entry(Act::KillWorker.name()).or_default() += killed as u32;
    }

    /// Workers, and one fault after the other until the batch is finished; none after `end`.
    async fn storm(&mut self, images: Images, batch: &str, workers: usize, end: Instant) {
        let mut crew = Crew::start(&self.scene, workers);
        let mut progress = Progress::new(STANDSTILL);
        self.scene.s3.faults().set(|plan| *plan = Plan::bad_weather());
        while !self.scene.is_finished(batch) {
            progress.look(&self.scene, batch);
            crew.replace_ended(&self.scene);
            if Instant::now() < end {
                let act = self.draw();
                match self.perform(act, &enqueue(images, batch), &mut crew).await {
                    Ok(()) => *self.counts.entry(act.name()).or_default() += 1,
                    // There may be no queue to purge, or a broker that is not itself yet. Every kind comes often.
                    Err(error) => self.say(&format!("{}: {error:#}", act.name())),
                }
            }
            sleep(self.dice.millis(200, 1500)).await;
        }
        self.calm_down().await;
        crew.stop().await;
    }

    /// The next fault of a deck that holds each as often as its weight says.
    fn draw(&mut self) -> Act {
        if self.deck.is_empty() {
            for act in Act::ALL {
                self.deck.extend((0..act.weight()).map(|_| act));
            }
        }
        let at = self.dice.below(self.deck.len() as u64) as usize;
        self.deck.swap_remove(at)
    }

    /// A line of the log, which is stderr, with the time since the start.
    #[expect(clippy::print_stderr, reason = "a soak of an hour says what it is at")]
    pub fn say(&self, what: &str) {
        eprintln!("soak {:6.0} s: {what}", self.started.elapsed().as_secs_f64());
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
            "soak: seed {}, {:.0} minutes; {} batches of {IMAGES} images on {WORKERS} workers, the longest in {:.0} s, where \
             they are killed without a pause one every {} ms; S3: {} of {} requests went wrong",
            self.seed,
            self.started.elapsed().as_secs_f64() / 60.0,
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
    async fn enqueue(&mut self, images: Images, batch: &str) {
        let args = enqueue(images, batch);
        let steps = ["after-images", "after-manifest", "after-marker", "mid-publish", "after-publish"];
        let step = self.dice.choose(&steps, |_| 1);
        let killed = [("PIXELMILL_FAILPOINT", step)];
        let (first, second) =
            tokio::join!(self.scene.try_produce_with(&args, &killed), self.scene.try_produce_with(&args, &killed));
        assert!(!first.status.success() && !second.status.success(), "{step} was not reached");
        self.scene.produce(&args).await;
    }
}

/// The arguments of the producer that make a batch.
fn enqueue(images: Images, batch: &str) -> Vec<&str> {
    [&["enqueue", images.source, "--batch", batch], &ARGUMENTS[..]].concat()
}
