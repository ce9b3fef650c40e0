//! What cannot succeed fails at once, and says in the pod's termination message what to do.

use serde_json::{Value, json};

use crate::batch::Batch;
use crate::cluster::{LIMIT, Scene, root, scene};
use crate::job::{Job, ends};

/// The Job failed by its policy, once, and no pod was tried again; gives the termination message.
fn refused(job: &Job) -> String {
    assert_eq!(job.failed(LIMIT), "PodFailurePolicy");
    let ended: Vec<Value> = job.pods().iter().flat_map(ends).collect();
    let refused =
        ended.iter().find(|end| end["exitCode"] == 64).unwrap_or_else(|| panic!("nobody ended with 64: {ended:?}"));
    refused["message"].as_str().unwrap_or_else(|| panic!("no termination message: {refused}")).to_owned()
}

/// Puts the built-in model's package into the bucket, with one file changed.
fn put_model(scene: &Scene, prefix: &str, (changed, changed_content): (&str, &[u8])) {
    for file in std::fs::read_dir(root().join("models/cifar10/package")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let content = if name == changed { changed_content.to_vec() } else { std::fs::read(&path).unwrap() };
        scene.put(&format!("{prefix}/{name}"), content);
    }
}

fn model_batch(scene: &Scene, name: &str, model: &str) -> Batch {
    scene.enqueue_with(name, 60, &["--model", model])
}

#[test]
fn a_model_that_changed_since_the_batch_was_made() {
    let scene = scene(0);
    let prefix = scene.unique("models/changed");
    // Not the built-in package itself: every worker has that one, wherever a batch found it.
    let labels = std::fs::read_to_string(root().join("models/cifar10/package/labels.txt")).unwrap();
    let toads = labels.replace("frog", "toad");
    let original = || put_model(&scene, &prefix, ("labels.txt", toads.as_bytes()));
    original();
    let batch = model_batch(&scene, "changed", &format!("s3://photos/{prefix}"));
    put_model(&scene, &prefix, ("labels.txt", labels.replace("frog", "newt").as_bytes()));

    let job = scene.job(&batch, &["--parallelism", "2"]);
    let message = refused(&job);
    assert!(message.contains("digest") && message.contains(&prefix), "{message}");

    // What it says helps: the model as it was.
    original();
    job.delete();
    scene.job(&batch, &["--parallelism", "2"]).complete(LIMIT);
    scene.verify(&batch);
}

#[test]
fn a_model_that_nobody_can_read() {
    let scene = scene(0);
    let prefix = scene.unique("models/broken");
    put_model(&scene, &prefix, ("model.onnx", b"this is no model"));
    let batch = model_batch(&scene, "broken", &format!("s3://photos/{prefix}"));
    let message = refused(&scene.job(&batch, &["--parallelism", "2"]));
    assert!(message.contains("model"), "{message}");
    scene.produce(&["cancel", &batch.id]);
}

#[test]
fn a_wrong_setting() {
    let scene = scene(0);
    let batch = scene.enqueue("setting", 60);
    let job = scene.changed_job(&batch, &[], |job| {
        let container = &mut job["spec"]["template"]["spec"]["containers"][0];
        let setting = json!({"name": "PIXELMILL_STORE", "value": "ftp://results/store"});
        container["env"].as_array_mut().unwrap().push(setting);
    });
    let message = refused(&job);
    assert!(message.contains("ftp://results/store") && message.contains("give s3://"), "{message}");

    job.delete();
    scene.job(&batch, &[]).complete(LIMIT);
    scene.verify(&batch);
}
