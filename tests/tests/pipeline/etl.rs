//! Scheduled runs: whatever is killed, started twice or missed, each version of an object is in exactly one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use batch::{ImageRef, Manifest};
use futures::future::join_all;
use serde_json::Value;
use tests::rabbitmq;
use tests::running::ended;
use tests::scene::{Scene, png, text};

/// Every step at which `etl` can be killed.
const STEPS: [&str; 9] = [
    "after-images",
    "after-run",
    "after-copy",
    "after-manifest",
    "after-marker",
    "mid-publish",
    "after-publish",
    "after-name",
    "after-ledger",
];
/// Small tasks, and nobody waits for a process that was killed.
const HASTY: [&str; 6] = ["--task-size", "4", "--task-timeout", "2", "--grace", "0"];

/// A pipeline over all of `photos/`, and every version of an object that ever was there.
struct Pipeline<'a> {
    scene: &'a Scene,
    name: String,
    put: BTreeSet<(String, String)>,
}

impl<'a> Pipeline<'a> {
    fn new(scene: &'a Scene, name: &str) -> Self {
        scene.s3.create_bucket(name);
        Self { scene, name: name.to_owned(), put: BTreeSet::new() }
    }

    /// Puts an object, whose content follows from `seed`.
    fn put(&mut self, key: &str, seed: u32) {
        self.scene.s3.put(&self.name, key, png(seed));
        let etag = self.scene.s3.etag(&self.name, key).unwrap();
        self.put.insert((format!("s3://{}/{key}", self.name), etag));
    }

    fn args<'b>(&'b self, source: &'b str, more: &'b [&str]) -> Vec<&'b str> {
        [&["etl", &self.name, "--source", source][..], &HASTY, more].concat()
    }

    fn source(&self) -> String {
        format!("s3://{}/", self.name)
    }

    /// A run that must succeed; gives what it printed.
    async fn run(&self, more: &[&str]) -> String {
        self.scene.produce(&self.args(&self.source(), more)).await
    }

    /// A run that ends with this code.
    async fn fails(&self, more: &[&str], code: Option<i32>) -> String {
        let output = self.scene.try_produce(&self.args(&self.source(), more)).await;
        assert_eq!(output.status.code(), code, "{}", text(&output.stderr));
        text(&output.stderr)
    }

    async fn killed(&self, step: &str, more: &[&str]) {
        let source = self.source();
        let args = self.args(&source, more);
        let output = self.scene.try_produce_with(&args, &[("PIXELMILL_FAILPOINT", step)]).await;
        assert_eq!(output.status.code(), None, "{step}: {}", text(&output.stderr));
    }

    /// The batches of this pipeline's runs, with what is in them.
    fn batches(&self) -> BTreeMap<String, Vec<(String, String)>> {
        let objects = self.scene.s3.objects("results");
        let mut batches = BTreeMap::new();
        for (key, content) in objects.iter().filter(|(key, _)| key.ends_with("/manifest.json")) {
            let Ok(manifest) = Manifest::decode(content) else { continue };
            if manifest.etl.as_ref().is_none_or(|(name, _)| *name != self.name) {
                continue;
            }
            let folder = key.strip_suffix("manifest.json").unwrap();
            let files = manifest.images.iter().map(|file| &objects[&format!("{folder}{}", file.file)]);
            let lines = files.flat_map(|file| file.split(|byte| *byte == b'\n')).filter(|line| !line.is_empty());
            let images = lines.map(|line| serde_json::from_slice::<ImageRef>(line).unwrap());
            batches.insert(manifest.batch.to_string(), images.map(|image| (image.uri, image.etag.unwrap())).collect());
        }
        batches
    }

    /// Every version that was put is in exactly one batch, nothing else is, and all runs are in the ledger.
    fn assert_exact(&self, when: &str) {
        let taken: Vec<_> = self.batches().into_values().flatten().collect();
        let distinct: BTreeSet<_> = taken.iter().cloned().collect();
        assert_eq!(taken.len(), distinct.len(), "{when}: a version is in two batches");
        assert_eq!(distinct, self.put, "{when}");
        self.assert_settled();
    }

    fn assert_settled(&self) {
        let prefix = format!("store/etl/{}/", self.name);
        let objects = self.scene.s3.objects("results");
        let below = |folder: &str| objects.keys().filter(|key| key.starts_with(&format!("{prefix}{folder}"))).count();
        let leaves =
            objects.keys().filter_map(|key| key.strip_prefix(&format!("{prefix}ledger/"))?.strip_suffix(".seg"));
        let leaves = leaves.filter(|name| name.split_once('-').is_some_and(|(first, last)| first == last)).count();
        assert_eq!((leaves, below("batches/")), (below("runs/"), below("runs/")));
    }

    async fn history(&self) -> Vec<Value> {
        let said = self.scene.produce(&["etl", &self.name, "--history", "--format", "json"]).await;
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Works off everything on the queue, then checks the batches of these pipelines line by line.
async fn work_off(scene: &Scene, pipelines: &[&Pipeline<'_>]) {
    assert_eq!(ended(scene.worker_of_queue()).await, Some(0));
    for batch in pipelines.iter().flat_map(|pipeline| pipeline.batches().into_keys()) {
        scene.verify(&batch).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_between_any_two_steps_is_continued_by_the_next() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    let killed = STEPS.map(|step| {
        let scene = &scene;
        async move {
            let mut pipeline = Pipeline::new(scene, step);
            for at in 0..6 {
                pipeline.put(&format!("{at}.png"), at);
            }
            pipeline.killed(step, &["--batch", &format!("{step}-first")]).await;
            // Meanwhile an object was overwritten and one came.
            pipeline.put("3.png", 30);
            pipeline.put("6.png", 6);
            if step == "after-images" {
                // Nothing was decided: what was overwritten since is in no run, and cannot be any more.
                let old = pipeline.put.iter().find(|(uri, etag)| uri.ends_with("3.png") && *etag != current(&pipeline));
                let old = old.unwrap().clone();
                pipeline.put.remove(&old);
            }
            pipeline.run(&["--batch", &format!("{step}-second")]).await;
            pipeline.assert_exact(step);
            let again = pipeline.run(&["--batch", &format!("{step}-first")]).await;
            assert!(again.contains("nothing"), "{step}: {again}");
            pipeline.assert_exact(step);
            pipeline
        }
    });
    let pipelines = join_all(killed).await;
    work_off(&scene, &pipelines.iter().collect::<Vec<_>>()).await;
}

fn current(pipeline: &Pipeline<'_>) -> String {
    pipeline.scene.s3.etag(&pipeline.name, "3.png").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_overlap_while_images_arrive_share_them_out() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    let mut pipeline = Pipeline::new(&scene, "overlap");
    // The store fails now and then, also after it did what it was asked for.
    scene.s3.faults().seed(11);
    scene.s3.faults().set(|plan| (plan.slow_down, plan.reset_after, plan.conflict) = (0.02, 0.02, 0.05));
    for round in 0..4_u32 {
        pipeline.put(&format!("{round}/first.png"), round);
        let names: Vec<_> = (0..3).map(|at| format!("round-{round}-{at}")).collect();
        let running: Vec<_> = names
            .iter()
            .map(|batch| {
                let source = pipeline.source();
                let args: Vec<String> =
                    pipeline.args(&source, &["--batch", batch]).into_iter().map(str::to_owned).collect();
                let scene = &scene;
                async move { scene.produce(&args.iter().map(String::as_str).collect::<Vec<_>>()).await }
            })
            .collect();
        let arriving = async {
            for at in 0..40 {
                // Names before, between and behind those that are listed already.
                pipeline.put(&format!("{}/{at}.png", (at * 7 + round) % 5), 100 * round + at);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::join!(join_all(running), arriving);
    }
    scene.s3.faults().heal();
    pipeline.run(&["--batch", "last"]).await;
    pipeline.assert_exact("overlapping");
    work_off(&scene, &[&pipeline]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_run_started_three_times_at_once_is_one_run() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    let mut pipeline = Pipeline::new(&scene, "twice");
    for round in 0..5 {
        pipeline.put(&format!("{round}.png"), round);
        let batch = format!("job-{round}");
        let same = ["--batch", &batch];
        let said = tokio::join!(pipeline.run(&same), pipeline.run(&same), pipeline.run(&same));
        assert_eq!(pipeline.batches().len(), round as usize + 1, "{said:?}");
    }
    pipeline.assert_exact("started three times");
    work_off(&scene, &[&pipeline]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_or_is_overwritten_is_taken_and_nothing_else() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    let mut pipeline = Pipeline::new(&scene, "late");
    assert!(pipeline.run(&[]).await.contains("nothing new"), "an empty bucket");
    pipeline.put("b.png", 1);
    pipeline.put("folder/", 9);
    pipeline.put.retain(|(uri, _)| !uri.ends_with('/'));
    pipeline.run(&["--batch", "one"]).await;
    assert!(pipeline.run(&["--batch", "none"]).await.contains("nothing new below s3://late/ (1 object"));
    // A long upload: listed now, modified years before the last run.
    pipeline.put("a.png", 2);
    scene.s3.set_modified("late", "a.png", SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    pipeline.put("b.png", 3);
    let said = pipeline.run(&["--batch", "two"]).await;
    assert!(said.contains("batch two, 2 images (1 new, 1 overwritten, 0 again), 1 task published"), "{said}");
    // The old content again: that version was done.
    pipeline.put("b.png", 1);
    assert!(pipeline.run(&["--batch", "three"]).await.contains("nothing new"));
    pipeline.assert_exact("late");
    work_off(&scene, &[&pipeline]).await;
    // Nothing is open: a worker ends at once, without waiting for a batch.
    assert_eq!(ended(scene.worker_of_queue()).await, Some(0));
    let history = pipeline.history().await;
    let states: Vec<_> =
        history.iter().map(|run| (run["batch"].as_str().unwrap(), run["state"].as_str().unwrap())).collect();
    assert_eq!(states, [("one", "finished"), ("two", "finished")]);
    assert_eq!(history[1]["overwritten"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_and_a_backfill_take_what_they_say() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    let mut pipeline = Pipeline::new(&scene, "window");
    let at_noon = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_856_000 + days * 86_400);
    // 1 October, 20 October and 5 November 2026.
    for (at, days) in (1..).zip([0, 19, 35]) {
        pipeline.put(&format!("{at}.png"), at);
        scene.s3.set_modified("window", &format!("{at}.png"), at_noon(days));
    }
    let plan = pipeline.run(&["--dry-run", "--since", "2026-10-15", "--batch", "since"]).await;
    assert!(
        plan.contains("would make run 1") && plan.contains("2 new") && plan.contains("s3://window/2.png"),
        "{plan}"
    );
    assert!(scene.s3.objects("results").is_empty(), "a dry run wrote something");
    pipeline.run(&["--since", "2026-10-15", "--batch", "since"]).await;
    assert!(pipeline.run(&["--since", "2026-10-15", "--batch", "again"]).await.contains("nothing new"));
    pipeline.run(&["--until", "2026-10-15", "--batch", "until"]).await;
    pipeline.assert_exact("windows");
    pipeline.put("2.png", 22);
    scene.s3.set_modified("window", "2.png", at_noon(20));
    let backfill = ["--backfill", "--until", "2026-11-01", "--batch", "backfill", "--top-k", "1"];
    pipeline.killed("after-marker", &backfill).await;
    for _ in 0..2 {
        let said = pipeline.run(&backfill).await;
        assert!(said.contains("has batch backfill already"), "{said}");
    }
    let taken: Vec<_> = pipeline.batches()["backfill"].iter().map(|(uri, _)| uri.clone()).collect();
    assert_eq!(taken, ["s3://window/1.png", "s3://window/2.png"]);
    assert!(pipeline.run(&["--batch", "rest"]).await.contains("nothing new"), "what a backfill took is known too");
    pipeline.fails(&["--backfill", "--batch", "all"], Some(64)).await;
    work_off(&scene, &[&pipeline]).await;
    let history = pipeline.history().await;
    let counts: Vec<_> =
        history.iter().map(|run| ["new", "overwritten", "again"].map(|kind| run[kind].as_u64().unwrap())).collect();
    assert_eq!(counts, [[2, 0, 0], [1, 0, 0], [0, 1, 1]]);
    let table = scene.produce(&["etl", "window", "--history"]).await;
    assert!(table.starts_with("RUN  BATCH") && table.contains("backfill  finished"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_is_evaded_and_batches_given_up_count_as_done() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    let mut pipeline = Pipeline::new(&scene, "taken");
    scene.put_images(8);
    scene.enqueue("by-hand").await;
    scene.enqueue("gone").await;
    scene.produce(&["cancel", "gone"]).await;
    scene.produce(&["delete", "gone", "--yes"]).await;
    for (round, batch) in (0..).zip(["by-hand", "gone"]) {
        pipeline.put(&format!("{round}.png"), round);
        pipeline.killed("after-marker", &["--batch", batch]).await;
        let said = pipeline.run(&["--batch", batch]).await;
        assert!(said.contains(&format!("batch {batch}-{}, 1 image", round + 1)), "{said}");
        assert!(pipeline.run(&["--batch", batch]).await.contains("already"));
    }
    assert_eq!(pipeline.batches().into_keys().collect::<Vec<_>>(), ["by-hand-1", "gone-2"]);
    pipeline.assert_exact("taken");
    work_off(&scene, &[&pipeline]).await;
    scene.verify("by-hand").await;

    let mut pipeline = Pipeline::new(&scene, "given-up");
    for (round, step) in (0..).zip(["after-manifest", "after-marker"]) {
        for verb in ["cancel", "delete"] {
            let batch = format!("{verb}-{round}");
            pipeline.put(&format!("{batch}.png"), round);
            pipeline.killed(step, &["--batch", &batch]).await;
            scene.produce(&["cancel", &batch]).await;
            if verb == "delete" {
                scene.produce(&["delete", &batch, "--yes"]).await;
            }
            let said = pipeline.run(&["--batch", "none"]).await;
            assert!(said.contains(&format!("batch {batch}")) && said.contains("nothing new"), "{said}");
        }
    }
    pipeline.assert_settled();
    let history = pipeline.history().await;
    let states: Vec<_> = history.iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["cancelled", "deleted", "cancelled", "deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_and_missed_ones_are_remembered() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    let mut pipeline = Pipeline::new(&scene, "many");
    for round in 0..36_u32 {
        pipeline.put(&format!("{:02}.png", (round * 29) % 36), round);
        if round % 3 == 0 {
            // A schedule that was missed: the next run takes both.
            continue;
        }
        pipeline.run(&["--batch", &format!("run-{round:02}")]).await;
    }
    pipeline.run(&["--batch", "last"]).await;
    pipeline.assert_exact("36 rounds");
    let merged = format!("store/etl/many/ledger/{:08}-{:08}.seg", 1, 16);
    assert!(scene.s3.objects("results").contains_key(&merged), "runs are merged");
    assert!(pipeline.run(&["--batch", "nothing"]).await.contains("(36 objects, all in earlier runs)"));
    assert_eq!(pipeline.history().await.len(), 24);
    // A part of the ledger that is lost is made again from its run.
    scene.s3.remove("results", &format!("store/etl/many/ledger/{:08}-{:08}.seg", 24, 24));
    assert!(pipeline.run(&["--batch", "nothing"]).await.contains("nothing new"));
    pipeline.assert_exact("after a loss");
    work_off(&scene, &[&pipeline]).await;
}
