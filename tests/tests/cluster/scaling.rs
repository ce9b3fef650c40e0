//! The autoscalers of `k8s-jobs/components`, each in its overlay.

use std::process::Command;

use crate::cluster::{LIMIT, root, scene};
use crate::kubectl::{kubectl, list, text, wait};

/// Brings up an overlay of overlay `minikube`, as its README says.
fn up(overlay: &str) {
    let minikube = root().join("k8s-jobs/overlays/minikube");
    let output =
        Command::new(minikube.join("up")).env("KUSTOMIZATION", minikube.join("..").join(overlay)).output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn workers() -> usize {
    list("pods", "app.kubernetes.io/component=deployment").len()
}

#[test]
fn keda_makes_workers_for_a_batch_and_takes_them_away() {
    let scene = scene(0);
    up("minikube-keda");
    wait("no worker is there", LIMIT, || (workers() == 0).then_some(()));

    let batch = scene.enqueue("keda", 900);
    wait("several workers", LIMIT, || (workers() > 1).then_some(()));
    scene.finished(&batch);
    scene.verify(&batch);
    // As the component has it: some minutes without a task.
    wait("no worker is left", LIMIT, || (workers() == 0).then_some(()));

    kubectl(&["delete", "scaledobject,triggerauthentication", "--all"]);
    kubectl(&["delete", "cronjob", "reconcile"]);
}

#[test]
fn an_autoscaler_adds_workers_while_all_are_busy() {
    let scene = scene(1);
    up("minikube-hpa");
    let batch = scene.enqueue("hpa", 3000);
    wait("more than one worker", LIMIT, || (workers() > 1).then_some(()));
    kubectl(&["delete", "horizontalpodautoscaler", "worker"]);
    scene.finished(&batch);
    scene.verify(&batch);
}
