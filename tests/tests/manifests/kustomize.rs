//! Builds the overlays as `kubectl apply -k` would, without a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The text of a file of the repository.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a YAML text.
pub fn documents(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// A copy of `k8s-jobs` with what people put there: secrets, and the Job of a batch.
pub struct Manifests {
    folder: tempfile::TempDir,
}

impl Manifests {
    pub fn copied() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("k8s-jobs"), folder.path());
        let secrets = folder.path().join("overlays/minikube/secrets");
        std::fs::create_dir_all(&secrets).unwrap();
        for name in ["pixelmill", "rabbitmq", "s3"] {
            std::fs::write(secrets.join(format!("{name}.env")), "NAME=never-a-real-one\n").unwrap();
        }
        let overlays = folder.path().join("overlays");
        let job = text("k8s-jobs/base/worker-job.yaml");
        std::fs::write(overlays.join("aws/job/worker-job.yaml"), job).unwrap();
        // On AWS a component is a line that somebody takes the `#` from.
        let aws = text("k8s-jobs/overlays/aws/kustomization.yaml");
        for line in aws.lines().filter(|line| line.starts_with("  # - ")) {
            let component = line.rsplit('/').next().unwrap().trim_start_matches("  # - ");
            let with = overlays.join(format!("aws-{component}"));
            copy(&overlays.join("aws"), &with);
            let (commented, line) = (format!("{line}\n"), format!("{}\n", line.replace("# ", "")));
            std::fs::write(with.join("kustomization.yaml"), aws.replace(&commented, &line)).unwrap();
        }
        Self { folder }
    }

    /// The folders that can be applied, relative to `k8s-jobs`.
    pub fn kustomizations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            let file = folder.join("kustomization.yaml");
            if std::fs::read_to_string(&file).is_ok_and(|text| text.contains("kind: Kustomization")) {
                found.push(folder.strip_prefix(self.folder.path()).unwrap().to_str().unwrap().to_owned());
            }
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            folders.extend(entries.filter(|path| path.is_dir()));
        }
        found.sort();
        found
    }

    /// Everything that `kubectl apply -k FOLDER` would send.
    pub fn build(&self, folder: &str) -> Vec<Value> {
        let built = Command::new("kubectl").arg("kustomize").arg(self.folder.path().join(folder)).output();
        let built = built.expect("kubectl (1.27 or later) is needed: see tests/run");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success() && said.is_empty(), "{folder}: {said}");
        documents(std::str::from_utf8(&built.stdout).unwrap())
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            std::fs::copy(&path, copied).unwrap();
        }
    }
}

/// The pod templates of an object, of whatever kind it is.
pub fn pods(object: &Value) -> Vec<&Value> {
    let paths = ["/spec/template", "/spec/jobTemplate/spec/template", "/spec/jobTargetRef/template"];
    paths.iter().filter_map(|path| object.pointer(path)).filter(|template| template["spec"].is_object()).collect()
}

/// The containers of a pod template, the initial ones too.
pub fn containers(pod: &Value) -> Vec<&Value> {
    let lists = ["/spec/initContainers", "/spec/containers"];
    lists.iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten().collect()
}

/// Kind and name, for messages.
pub fn name(object: &Value) -> String {
    format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
}
