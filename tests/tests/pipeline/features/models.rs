//! Models in S3: verified, cached, shared, and had in spite of an outage.

use std::path::Path;

use tests::rabbitmq;
use tests::s3::S3Server;

use super::worker::{Worker, until};
use tests::scene::{PATIENT, Scene};

/// What a program says when it fetches a package.
const FETCHING: &str = "fetching a model package";

/// Puts the built-in package below `s3://models/<name>`, with another version, so that it is another package.
pub(super) fn put_package(s3: &S3Server, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/cifar10/package");
    s3.create_bucket("models");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let (file_name, mut content) = (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap());
        if file_name == "model.toml" {
            content.extend(format!("# {name}\n").bytes());
        }
        s3.put("models", &format!("{name}/{file_name}"), content);
    }
}

/// Makes a batch with a model; gives whether the producer fetched the package.
pub(super) async fn enqueue(scene: &Scene, batch: &str, model: &str, cache: &Path) -> bool {
    let args = [&["enqueue", "s3://photos/", "--batch", batch, "--model", model], &PATIENT[..]].concat();
    let variables = [("PIXELMILL_MODEL_CACHE", cache.to_str().unwrap()), ("PIXELMILL_LOG", "info")];
    let made = scene.try_produce_with(&args, &variables).await;
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    said.contains(FETCHING)
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_with_one_cache_fetch_several_models_once() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(16);
    let (producers, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for model in ["red", "blue"] {
        put_package(&scene.s3, model);
        assert!(enqueue(&scene, &format!("of-{model}"), &format!("s3://models/{model}/"), producers.path()).await);
    }
    scene.enqueue_with("of-builtin", &PATIENT).await;
    let cache = [("PIXELMILL_MODEL_CACHE", shared.path().to_str().unwrap())];
    let mut workers = [(); 2].map(|()| Worker::start(&scene, &node.url(), &["--until-complete"], &cache));
    for worker in &mut workers {
        assert_eq!(worker.ended().await, Some(0));
    }
    let mut digests = Vec::new();
    for batch in ["of-red", "of-blue", "of-builtin"] {
        scene.verify(batch).await;
        let rows = scene.parts(batch).into_values().next().unwrap();
        digests.push(batch::Part::decode(&rows).unwrap().rows[0].model.clone());
    }
    digests.dedup();
    assert_eq!(digests.len(), 3, "{digests:?}");
    let kept = std::fs::read_dir(shared.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (packages, others): (Vec<_>, Vec<_>) = kept.partition(|name| name.len() == 64);
    assert_eq!((packages.len(), &others[..]), (2, &[".names".to_owned()][..]));

    // Nothing is fetched again, not even by the producer. What was damaged on disk is.
    let fetched = |worker: &Worker| worker.log().iter().any(|line| line["message"] == FETCHING);
    assert!(!enqueue(&scene, "again", "s3://models/red", producers.path()).await);
    let mut worker = Worker::start(&scene, &node.url(), &["--until-complete", "--batch", "again"], &cache);
    assert_eq!((worker.ended().await, fetched(&worker)), (Some(0), false));
    for package in packages {
        std::fs::write(shared.path().join(package).join("model.onnx"), "damaged").unwrap();
    }
    enqueue(&scene, "damaged", "s3://models/red", producers.path()).await;
    let mut worker = Worker::start(&scene, &node.url(), &["--until-complete", "--batch", "damaged"], &cache);
    assert_eq!((worker.ended().await, fetched(&worker)), (Some(0), true));
    scene.verify("damaged").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_store_that_is_away_is_waited_for_and_another_package_is_refused() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(8);
    put_package(&scene.s3, "far");
    let producers = tempfile::tempdir().unwrap();
    enqueue(&scene, "waits", "s3://models/far", producers.path()).await;
    scene.s3.faults().set(|plan| {
        plan.outage = true;
        plan.only = "/models".into();
    });
    let mut worker = Worker::start(&scene, &node.url(), &["--until-complete", "--batch", "waits"], &[]);
    let faults = "pixelmill_store_faults_total{kind=\"transient\"}";
    until("trouble with the store", async || worker.metric(faults).await >= 3.0).await;
    assert_eq!(worker.page("/livez").await.0, 200);
    scene.s3.faults().heal();
    assert_eq!(worker.ended().await, Some(0));
    scene.verify("waits").await;

    enqueue(&scene, "refused", "s3://models/far", producers.path()).await;
    scene.s3.put("models", "far/labels.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
    let mut worker = Worker::start(&scene, &node.url(), &["--until-complete", "--batch", "refused"], &[]);
    assert_eq!(worker.ended().await, Some(64));
    assert!(worker.last_words().contains("s3://models/far has the digest"), "{}", worker.last_words());
    assert_eq!(std::fs::read_dir(worker.models()).unwrap().count(), 1, "nothing but the names is kept");

    // A worker that is not for this batch leaves it to others, says so once, and has nothing else to do.
    let mut worker = Worker::start(&scene, &node.url(), &["--until-complete"], &[]);
    assert_eq!(worker.ended().await, Some(64));
    let notes = scene.s3.objects("results");
    let notes = notes.keys().filter(|key| key.starts_with("store/batches/refused/aside/model-")).count();
    assert_eq!(notes, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_machine_work_and_check_take_models_from_s3_too() {
    let s3 = S3Server::start().await.unwrap();
    put_package(&s3, "near");
    let cache = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/frog.webp");
    let run = async |arguments: Vec<String>| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_worker-under-test"));
        command.args(arguments).envs(s3.environment()).env("PIXELMILL_MODEL_CACHE", cache.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, checked, _) = run(vec!["check".into(), "s3://models/near".into()]).await;
    assert_eq!(code, Some(0));
    let digest = checked.lines().find_map(|line| line.strip_prefix("digest")).unwrap().trim().to_owned();
    let classify = |model: &str| vec!["classify".into(), sample.display().to_string(), "--model".into(), model.into()];
    let (code, rows, _) = run(classify("s3://models/near/")).await;
    assert_eq!(code, Some(0));
    assert!(rows.contains(&digest[..12]), "{rows}");
    let (code, _, said) = run(classify("s3://models/nowhere")).await;
    assert_eq!(code, Some(64));
    assert!(said.contains("there is nothing below this prefix"), "{said}");
}
