//! Pods, brokers and stores go away in the middle; every image still has its one row.

use crate::cluster::{LIMIT, is_ready, scene};
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

    job.complete(LIMIT);
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
fn workers_without_enough_memory_are_killed_and_replaced() {
    let scene = scene(0);
    let batch = scene.enqueue("memory", 300);
    let job = scene.changed_job(&batch, &["--parallelism", "2"], |job| {
        let container = &mut job["spec"]["template"]["spec"]["containers"][0];
        container["resources"]["limits"]["memory"] = "24Mi".into();
        container["resources"]["requests"]["memory"] = "24Mi".into();
    });
    wait("two workers run out of memory", LIMIT, || {
        let ended = job.pods().iter().flat_map(ends).filter(|end| end["reason"] == "OOMKilled").count();
        (ended >= 2).then_some(())
    });
    wait("they count", LIMIT, || (job.failures() >= 2).then_some(()));
    job.delete();

    scene.job(&batch, &["--parallelism", "2"]).complete(LIMIT);
    let verified = scene.verify(&batch);
    assert!(verified.contains(&format!("{} ok + 0 failed", batch.images)), "{verified}");
}
