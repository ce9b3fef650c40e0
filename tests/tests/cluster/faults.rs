//! Pods, brokers and stores go away in the middle; every image still has its one row.

use serde_json::Value;

use crate::cluster::{LIMIT, is_ready, samples, scene};
use crate::job::{Job, ends};
use crate::kubectl::{kubectl, list, name, node, wait};

/// Deletes a pod as a lost node would: without asking it.
fn kill(pod: &str) {
    kubectl(&["delete", "pod", pod, "--force", "--grace-period=0", "--wait=false", "--ignore-not-found"]);
}

fn is_complete(job: &Job) -> bool {
    job.status()["conditions"].as_array().is_some_and(|all| all.iter().any(|found| found["type"] == "Complete"))
}

#[test]
fn workers_broker_and_store_are_killed() {
    let scene = scene(0);
    let batch = scene.enqueue("killed", 1500);
    let job = scene.job(&batch, &["--parallelism", "3"]);
    scene.work_has_begun(&batch);

    let mut killed = 0;
    for victim in [None, Some("rabbitmq-0"), None, Some("s3-0"), None] {
        if is_complete(&job) {
            break;
        }
        match victim {
            Some(pod) => {
                kill(pod);
                wait(&format!("{pod} is back"), LIMIT, || {
                    list("pods", "app.kubernetes.io/part-of=pixelmill")
                        .iter()
                        .find(|found| name(found) == pod && is_ready(found))
                        .map(drop)
                });
            }
            None => {
                let pod = wait("a running worker", LIMIT, || job.running().into_iter().next());
                kill(&pod);
                killed += 1;
            }
        }
        let parts = scene.parts(&batch).len();
        wait("work goes on", LIMIT, || (scene.parts(&batch).len() > parts || is_complete(&job)).then_some(()));
    }
    assert!(killed >= 2, "the batch was finished before its workers were killed");

    let status = job.complete(LIMIT);
    // A worker that still had the time to end in order (143) is forgiven; one that had not counts.
    assert!(job.failures() <= killed, "more than the {killed} that were killed count: {status}");
    scene.verify(&batch);
}

#[test]
fn a_node_is_drained_and_comes_back() {
    let scene = scene(0);
    let batch = scene.enqueue("drained", 900);
    let job = scene.job(&batch, &["--parallelism", "3"]);
    scene.work_has_begun(&batch);

    let node = name(&node());
    // Only ours: a person's cluster may run other things.
    let ours = "--pod-selector=app.kubernetes.io/part-of=pixelmill";
    kubectl(&["drain", &node, ours, "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=180s"]);
    assert!(job.running().is_empty(), "a worker outlived the drain");
    let finished_too_early = is_complete(&job);
    kubectl(&["uncordon", &node]);
    assert!(!finished_too_early, "the batch was finished before the drain");

    job.complete(LIMIT);
    assert_eq!(job.failures(), 0, "an eviction counts against backoffLimit: {}", job.status());
    scene.verify(&batch);
}

#[test]
fn an_image_that_exhausts_its_container_is_survived() {
    let scene = scene(0);
    // Nothing that a file holds makes a worker do this: its engine has a limit of its own, and dies alone. So this worker is one that
    // obeys, in an image of the suite (tests/worker-image); all else is as it ships, the limit of the container too.
    let image = scene.unique("tests/hoard");
    scene.put(&image, b"PIXELMILL-TEST:hoard".to_vec());
    let names: Vec<String> = samples().into_iter().map(|(name, _)| format!("s3://photos/tests/{name}")).collect();
    let mut uris: Vec<String> = names.iter().cycle().take(120).cloned().collect();
    uris.insert(30, format!("s3://photos/{image}"));
    let batch = scene.enqueue_list("memory", uris, &[]);
    let job = scene.job(&batch, &["--parallelism", "2", "--image", "localhost/pixelmill-under-test:dev"]);

    let status = job.complete(LIMIT);
    let ended: Vec<Value> = job.pods().iter().flat_map(ends).collect();
    let exhausted = ended.iter().filter(|end| end["reason"] == "OOMKilled").count();
    // Twice in company; from its second return on, the task is worked on by itself.
    assert_eq!(exhausted, 2, "{ended:?}");
    assert_eq!(job.failures(), 2, "both count against backoffLimit: {status}");
    let progress = scene.keys(&format!("batches/{}/aside/00000002/", batch.id));
    assert_eq!(progress.len(), 12, "the task was not worked on in isolation: {progress:?}");
    let verified = scene.verify(&batch);
    assert!(verified.contains("120 ok + 1 failed"), "{verified}");
}
