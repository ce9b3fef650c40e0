//! Everything in `k8s-jobs` is taken by the API server as it is.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::cluster::{root, scene};
use crate::kubectl::text;

/// Folders that a person applies.
fn overlays() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(root().join("k8s-jobs/overlays")).unwrap().map(|folder| folder.unwrap().path());
    let mut overlays: Vec<PathBuf> = folders.filter(|folder| folder.join("kustomization.yaml").exists()).collect();
    overlays.push(root().join("k8s-jobs/overlays/minikube/samples"));
    overlays.sort();
    assert!(overlays.len() > 1, "{overlays:?}");
    overlays
}

fn kubectl(args: &[&str]) -> std::process::Output {
    Command::new("kubectl").args(args).output().unwrap()
}

#[test]
fn the_api_server_takes_every_overlay_without_a_warning() {
    let _scene = scene(0);
    // The template of a Job cannot be changed, not even on trial; overlays have different ones.
    let deleted = kubectl(&["delete", "job", "setup", "--namespace", "pixelmill", "--ignore-not-found"]);
    assert!(deleted.status.success(), "{}", text(&deleted.stderr));
    // Kinds of an operator that a cluster of tests does not have.
    let kinds = root().join("tests/tests/manifests/monitoring-crds.yaml");
    let made = kubectl(&["apply", "-f", kinds.to_str().unwrap()]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let made = kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", kinds.to_str().unwrap()]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    for overlay in overlays() {
        let folder = overlay.to_str().unwrap();
        let output = kubectl(&["apply", "-k", folder, "--dry-run=server", "--validate=strict"]);
        assert!(output.status.success(), "{folder}: {}", text(&output.stderr));
        assert!(output.stderr.is_empty(), "{folder}: {}", text(&output.stderr));
    }
}

#[test]
fn the_namespace_enforces_the_strictest_level() {
    let _scene = scene(0);
    let namespace: Value =
        serde_json::from_slice(&kubectl(&["get", "namespace", "pixelmill", "-o", "json"]).stdout).unwrap();
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
}
