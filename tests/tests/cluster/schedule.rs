//! CronJob `etl`: whatever is late, killed, doubled or missed, each image is in exactly one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde_json::Value;

use crate::cluster::{LIMIT, Scene, samples, scene};
use crate::job::Job;
use crate::kubectl::{get, kubectl, list, name, text, try_kubectl, wait};

/// Images that arrive under the source of CronJob `etl`.
struct Arriving<'a> {
    scene: &'a Scene,
    folder: String,
    photos: Vec<Vec<u8>>,
    arrived: BTreeSet<String>,
}

impl Arriving<'_> {
    /// Puts so many new images.
    fn put(&mut self, count: usize) {
        for _ in 0..count {
            let at = self.arrived.len();
            let key = format!("incoming/{}/{at:04}.jpg", self.folder);
            self.scene.put(&key, self.photos[at % self.photos.len()].clone());
            self.arrived.insert(format!("s3://photos/{key}"));
        }
    }

    /// Waits until all that arrived is in finished batches; each image must be in exactly one, as one row.
    fn all_are_done(&self) {
        let rows = wait("every image has its row", LIMIT, || {
            let rows = self.rows();
            self.arrived.iter().all(|image| rows.contains_key(image)).then_some(rows)
        });
        for (image, batches) in &rows {
            assert_eq!(batches.len(), 1, "{image} is in {batches:?}");
            assert!(self.arrived.contains(image), "{image} was never there");
        }
    }

    /// The batches of each image, by the rows of every finished batch of the schedule.
    fn rows(&self) -> BTreeMap<String, Vec<String>> {
        let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in self.scene.keys("batches/etl-") {
            let Some((batch, "_SUCCESS")) = key.trim_start_matches("batches/").split_once('/') else { continue };
            for row in self.scene.produce(&["results", batch, "--format", "jsonl"]).lines() {
                let row: Value = serde_json::from_str(row).unwrap();
                let image = row["image"].as_str().unwrap();
                if image.contains(&self.folder) {
                    rows.entry(image.to_owned()).or_default().push(batch.to_owned());
                }
            }
        }
        rows
    }
}

/// Jobs that the schedule or a person made of CronJob `etl`.
fn jobs() -> Vec<String> {
    let jobs = list("jobs", "app.kubernetes.io/part-of=pixelmill").into_iter();
    let ours = jobs.filter(|job| job["metadata"]["ownerReferences"][0]["name"] == "etl");
    ours.map(|job| name(&job)).collect()
}

fn patch(spec: &str) {
    kubectl(&["patch", "cronjob", "etl", "--patch", &format!(r#"{{"spec":{{{spec}}}}}"#)]);
}

/// Makes Jobs of the CronJob by hand, all at once.
fn by_hand(names: &[&str]) -> Vec<Job> {
    std::thread::scope(|scope| {
        let make = |name: &str| {
            let made = try_kubectl(&["create", "job", "--from=cronjob/etl", name], "");
            assert!(made.status.success(), "{}", text(&made.stderr));
            Job::named(name)
        };
        let threads: Vec<_> = names.iter().map(|name| scope.spawn(move || make(name))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn minute() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 60
}

#[test]
fn each_image_is_in_one_batch_whatever_happens_to_the_schedule() {
    let scene = scene(0);
    patch(r#""suspend":true"#);
    let photos = samples().into_iter().map(|(_, photo)| photo).collect();
    let folder = scene.unique("arriving");
    let mut images = Arriving { scene: &scene, folder, photos, arrived: BTreeSet::new() };

    // Images keep arriving while the schedule runs, and a pod of every run is killed.
    let before: BTreeSet<String> = jobs().into_iter().collect();
    patch(r#""suspend":false,"schedule":"* * * * *""#);
    let mut killed = BTreeSet::new();
    wait("two runs of the schedule", LIMIT, || {
        images.put(3);
        let new: Vec<String> = jobs().into_iter().filter(|job| !before.contains(job)).collect();
        for job in &new {
            if let Some(pod) = Job::named(job).running().first().filter(|_| !killed.contains(job)) {
                kubectl(&["delete", "pod", pod, "--force", "--grace-period=0", "--wait=false", "--ignore-not-found"]);
                killed.insert(job.clone());
            }
        }
        (new.len() >= 2 && killed.len() >= 2).then_some(())
    });
    patch(r#""suspend":true"#);
    let suspended = minute();

    // While it is suspended: two people at once, and one who dies at every step.
    images.put(20);
    let (first, second) = (scene.unique("etl-first"), scene.unique("etl-second"));
    let made = by_hand(&[&first, &second]);
    made.iter().for_each(|job| drop(job.complete(LIMIT)));
    images.all_are_done();
    for step in ["after-images", "after-manifest", "after-marker", "mid-publish", "after-publish"] {
        images.put(3);
        let id = scene.unique(&format!("etl-{step}"));
        let args = ["etl", "photos", "--source", "s3://photos/incoming/", "--queue", "etl", "--batch", &id];
        let died = scene.try_produce(&args, "", &[("PIXELMILL_FAILPOINT", step)]);
        assert!(!died.status.success(), "it passed {step}");
    }

    // Two schedules are missed; the next one makes up for all of it.
    wait("two schedules have passed", LIMIT, || (minute() >= suspended + 2).then_some(()));
    let runs = jobs();
    images.put(5);
    patch(r#""suspend":false"#);
    wait("the next run", LIMIT, || jobs().iter().any(|job| !runs.contains(job)).then_some(()));
    images.all_are_done();
    patch(r#""suspend":true,"schedule":"0 * * * *""#);

    // Nothing new: the Job ends at once, with no batch.
    let empty = scene.unique("etl-empty");
    by_hand(&[&empty])[0].complete(LIMIT);
    assert!(scene.keys(&format!("batches/{empty}/")).is_empty());

    // All of it again, because somebody asks for it.
    let backfill = scene.unique("backfill");
    let folder = format!("s3://photos/incoming/{}/", images.folder);
    let again = ["--batch", &backfill, "--backfill", "--since", "2020-01-01"];
    scene.produce(&[&["etl", "photos", "--source", &folder, "--queue", "etl"], again.as_slice()].concat());
    by_hand(&[&scene.unique("etl-backfill")])[0].complete(LIMIT);
    let verified = scene.produce(&["verify", &backfill]);
    assert!(verified.contains(&format!(": {} images,", images.arrived.len())), "{verified}");
    images.all_are_done();
    let suspended = get("cronjob", "etl")["spec"]["suspend"].clone();
    assert_eq!(suspended, true);
    patch(r#""suspend":false"#);
}
