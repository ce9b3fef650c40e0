//! The Job of a batch, as `producer job` prints it.

use std::time::Duration;

use serde_json::Value;

use crate::batch::Batch;
use crate::cluster::Scene;
use crate::kubectl::{apply, get, kubectl, list, name, text, try_kubectl, wait};

/// A Job with its pods.
pub struct Job {
    name: String,
}

impl Scene {
    /// `producer job … | kubectl apply -f -`.
    pub fn job(&self, batch: &Batch, flags: &[&str]) -> Job {
        apply(&self.produce(&[&["job", &batch.id], flags].concat()));
        Job::named(&format!("worker-{}", batch.id))
    }

    /// The same Job after `change`.
    pub fn changed_job(&self, batch: &Batch, flags: &[&str], change: impl FnOnce(&mut Value)) -> Job {
        let printed = self.produce(&[&["job", &batch.id], flags].concat());
        let parsed = try_kubectl(&["create", "--dry-run=client", "-o", "json", "-f", "-"], &printed);
        let mut job: Value =
            serde_json::from_slice(&parsed.stdout).unwrap_or_else(|_| panic!("{}", text(&parsed.stderr)));
        change(&mut job);
        apply(&job.to_string());
        Job::named(&format!("worker-{}", batch.id))
    }
}

impl Job {
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Waits for its success, which must come without a failure that the policy does not forgive; no pod is left running.
    pub fn complete(&self, limit: Duration) -> Value {
        let status = wait(&format!("{} is complete", self.name), limit, || {
            let status = self.status();
            assert!(condition(&status, "Failed").is_none(), "{} failed: {status}", self.name);
            condition(&status, "Complete").map(|_| status.clone())
        });
        assert!(self.running().is_empty(), "{} left pods running", self.name);
        status
    }

    /// Waits for its failure; gives the reason.
    pub fn failed(&self, limit: Duration) -> String {
        wait(&format!("{} fails", self.name), limit, || {
            let status = self.status();
            assert!(condition(&status, "Complete").is_none(), "{} succeeded", self.name);
            Some(condition(&status, "Failed")?["reason"].as_str().unwrap().to_owned())
        })
    }

    pub fn status(&self) -> Value {
        get("job", &self.name)["status"].clone()
    }

    pub fn pods(&self) -> Vec<Value> {
        list("pods", &format!("batch.kubernetes.io/job-name={}", self.name))
    }

    /// Names of the pods that run and were not told to stop.
    pub fn running(&self) -> Vec<String> {
        let pods = self.pods().into_iter();
        let running =
            pods.filter(|pod| pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null());
        running.map(|pod| name(&pod)).collect()
    }

    /// Failures that count against `backoffLimit`.
    pub fn failures(&self) -> u64 {
        self.status()["failed"].as_u64().unwrap_or(0)
    }

    /// From now on, the time that it has run is more than it may.
    pub fn has_run_for_too_long(&self) {
        kubectl(&["patch", "job", &self.name, "--patch", r#"{"spec":{"activeDeadlineSeconds":1}}"#]);
    }

    /// Deletes it with its pods, and waits for their end.
    pub fn delete(&self) {
        kubectl(&["delete", "job", &self.name, "--cascade=foreground", "--timeout=120s"]);
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|found| found["type"] == kind && found["status"] == "True")
}

/// How the containers of a pod ended.
pub fn ends(pod: &Value) -> Vec<Value> {
    let containers = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    containers.iter().map(|container| container["state"]["terminated"].clone()).filter(|end| !end.is_null()).collect()
}
