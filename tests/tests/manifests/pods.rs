//! What the pods of every overlay have in common.

use std::sync::LazyLock;

use serde_json::Value;

use crate::kustomize::{Manifests, containers, documents, name, pods, root, text};

/// Every folder that can be applied, built.
fn overlays() -> &'static [(String, Vec<Value>)] {
    static BUILT: LazyLock<Vec<(String, Vec<Value>)>> = LazyLock::new(|| {
        let manifests = Manifests::copied();
        let folders = manifests.kustomizations();
        assert!(folders.len() >= 15, "{folders:?}");
        folders.into_iter().map(|folder| (folder.clone(), manifests.build(&folder))).collect()
    });
    &BUILT
}

fn programs(container: &Value) -> impl Iterator<Item = &str> {
    let words = ["command", "args"].into_iter().filter_map(|key| container[key].as_array()).flatten();
    words.map(|word| word.as_str().unwrap())
}

#[test]
fn every_image_is_pinned() {
    for (folder, objects) in overlays().iter().filter(|(folder, _)| folder.starts_with("overlays")) {
        for object in objects {
            for container in pods(object).into_iter().flat_map(containers) {
                let image = container["image"].as_str().unwrap();
                let tag = image.rsplit('/').next().unwrap().split_once([':', '@']).map(|(_, tag)| tag);
                assert!(tag.is_some_and(|tag| tag != "latest"), "{folder}: {}: {image} is not pinned", name(object));
            }
        }
    }
}

#[test]
fn every_component_is_part_of_an_overlay_that_is_checked() {
    let folders = Manifests::copied().kustomizations();
    for component in std::fs::read_dir(root().join("k8s-jobs/components")).unwrap() {
        let name = component.unwrap().file_name().into_string().unwrap();
        let known = |overlay: &str| folders.contains(&format!("overlays/{overlay}-{name}"));
        assert!(known("aws"), "overlays/aws does not offer {name}");
        // There, the broker has the name that `private-broker` gives to another.
        assert!(known("minikube") || name == "private-broker", "there is no overlays/minikube-{name}");
    }
}

#[test]
fn no_secret_is_in_an_argument_or_in_a_plain_value() {
    for (folder, objects) in overlays() {
        for object in objects {
            let place = format!("{folder}: {}", name(object));
            if object["kind"] == "ConfigMap" {
                let keys = object["data"].as_object().into_iter().flatten().map(|(key, _)| key);
                for key in keys {
                    assert!(!is_secret(key), "{place} holds {key}: it belongs in a Secret");
                }
            }
            for container in pods(object).into_iter().flat_map(containers) {
                for word in programs(container) {
                    let shown = word.contains("amqp://") || word.contains("amqps://") || word.contains("@rabbitmq");
                    assert!(!shown, "{place} shows {word}");
                }
                for variable in container["env"].as_array().into_iter().flatten() {
                    let plain = variable["value"].is_string() && is_secret(variable["name"].as_str().unwrap());
                    assert!(!plain, "{place} holds a plain {}", variable["name"]);
                }
            }
        }
    }
}

fn is_secret(name: &str) -> bool {
    ["AMQP_URL", "PASS", "SECRET", "ACCESS_KEY", "COOKIE", "TOKEN"].iter().any(|word| name.contains(word))
}

#[test]
fn every_pod_has_no_more_rights_than_it_needs() {
    for (folder, objects) in overlays() {
        for object in objects {
            for pod in pods(object) {
                let place = format!("{folder}: {}", name(object));
                assert_eq!(pod["spec"]["automountServiceAccountToken"], false, "{place}");
                assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true, "{place}");
                assert_eq!(pod["spec"]["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{place}");
                for container in containers(pod) {
                    let security = &container["securityContext"];
                    assert_eq!(security["allowPrivilegeEscalation"], false, "{place}");
                    assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]), "{place}");
                    assert!(container["resources"]["requests"]["memory"].is_string(), "{place} requests no memory");
                    assert!(container["resources"]["limits"]["memory"].is_string(), "{place} has no memory limit");
                    let ours = container["image"].as_str().unwrap().contains("pixelmill");
                    assert!(!ours || security["readOnlyRootFilesystem"] == true, "{place} can write to its root");
                    let cpu = container["resources"]["limits"]["cpu"].as_str();
                    let whole = cpu.is_none_or(|cpu| cpu.parse::<u32>().is_ok());
                    assert!(whole, "{place} is limited to {cpu:?} of a core: heartbeats would be throttled");
                }
            }
        }
    }
}

/// Jobs end as the exit codes say: 64 is final, 143 and evictions do not count.
#[test]
fn every_job_of_workers_understands_their_exit_codes() {
    let mut jobs = 0;
    for (folder, objects) in overlays() {
        for object in objects {
            let specs = ["/spec", "/spec/jobTemplate/spec", "/spec/jobTargetRef"];
            let jobs_of = specs.iter().filter_map(|path| object.pointer(path));
            for job in jobs_of.filter(|job| job["template"]["spec"]["restartPolicy"].is_string()) {
                let place = format!("{folder}: {}", name(object));
                assert_eq!(job["template"]["spec"]["restartPolicy"], "Never", "{place}");
                let rules = job["podFailurePolicy"]["rules"].as_array().unwrap_or_else(|| panic!("{place}: no policy"));
                let has = |action: &str, what: &str| {
                    let says = |rule: &&Value| rule["action"] == action && rule.to_string().contains(what);
                    rules.iter().find(says).unwrap_or_else(|| panic!("{place}: no {action} on {what}"));
                };
                has("FailJob", "[64]");
                has("Ignore", "DisruptionTarget");
                let container = &job["template"]["spec"]["containers"][0];
                if programs(container).any(|word| word == "worker") {
                    has("Ignore", "[143]");
                    assert_eq!(job["completions"], job["parallelism"], "{place}: a late crash would not be replaced");
                    assert_eq!(job["podReplacementPolicy"], "Failed", "{place}");
                    jobs += 1;
                }
            }
        }
    }
    assert!(jobs > 3, "only {jobs} jobs of workers");
}

/// One pod for every way to run workers: what is better for one is better for all.
#[test]
fn all_workers_are_the_worker_of_the_job() {
    let pod = |path: &str, pointer: &str, kind: &str| {
        let object = documents(&text(path)).into_iter().find(|object| object["kind"] == kind).unwrap();
        let mut container = object.pointer(pointer).unwrap().clone();
        for own in ["command", "args"] {
            container.as_object_mut().unwrap().remove(own);
        }
        container
    };
    let job = pod("k8s-jobs/base/worker-job.yaml", "/spec/template/spec/containers/0", "Job");
    for (path, pointer, kind) in [
        ("k8s-jobs/base/worker-deployment.yaml", "/spec/template/spec/containers/0", "Deployment"),
        ("k8s-jobs/base/etl-cronjob.yaml", "/spec/jobTemplate/spec/template/spec/containers/0", "CronJob"),
        ("k8s-jobs/components/keda-job/scaledjob.yaml", "/spec/jobTargetRef/template/spec/containers/0", "ScaledJob"),
    ] {
        assert_eq!(pod(path, pointer, kind), job, "{path} differs from base/worker-job.yaml");
    }
}

#[test]
fn on_aws_there_is_no_server_and_no_static_key() {
    for (folder, objects) in overlays().iter().filter(|(folder, _)| folder.starts_with("overlays/aws")) {
        for object in objects {
            let kind = object["kind"].as_str().unwrap();
            assert!(
                !["StatefulSet", "Secret", "PersistentVolumeClaim"].contains(&kind),
                "{folder} has {}",
                name(object)
            );
            for pod in pods(object) {
                let arm64 = pod["spec"]["affinity"].to_string().contains("arm64");
                assert!(arm64, "{folder}: {} could run on another kind of CPU", name(object));
            }
        }
    }
    for policy in ["iam/worker", "iam/producer", "iam/trust", "s3/bucket-policy", "s3/lifecycle"] {
        let policy: Value = serde_json::from_str(&text(&format!("k8s-jobs/overlays/aws/{policy}.json"))).unwrap();
        for statement in policy["Statement"].as_array().into_iter().flatten().filter(|s| s["Effect"] == "Allow") {
            let actions = statement["Action"].to_string();
            assert!(!actions.contains('*'), "{statement} allows more than is named");
        }
    }
}
