//! The three commands of `k8s-jobs/README.md`.

use std::process::Command;

use crate::cluster::{root, samples, scene};
use crate::kubectl::{kubectl, text};

#[test]
fn the_sample_images_are_classified_by_what_the_readme_says() {
    let scene = scene(1);
    let output = Command::new(root().join("k8s-jobs/overlays/minikube/enqueue-samples")).output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    kubectl(&["exec", "deploy/worker", "--", "producer", "status", "samples", "--watch"]);
    let rows = kubectl(&["exec", "deploy/worker", "--", "producer", "results", "samples", "--format", "csv"]);
    assert_eq!(rows.lines().count(), 1 + samples().len(), "{rows}");
    let verified = scene.produce(&["verify", "samples"]);
    assert!(verified.contains("0 missing, 0 duplicate"), "{verified}");
}
