//! The cluster with overlay `minikube` in it: brought up once, used by one case at a time.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use store::{Credentials, Key, Options, Store};
use tokio::runtime::Runtime;

use crate::kubectl::{get, kubectl, list, node, text, wait, with_input};

/// No state of the cluster takes longer to come, on a machine busy with other things.
pub const LIMIT: Duration = Duration::from_secs(300);

/// A cluster that is up.
#[derive(Debug)]
pub struct Cluster {
    /// What a producer on this machine needs to reach the cluster through its node ports.
    environment: Vec<(String, String)>,
    options: Options,
    runtime: Runtime,
    /// Distinguishes the batches of this run from those of earlier ones.
    run: u64,
}

/// The cluster, for one case. The Deployment has the workers that the case asked for.
pub struct Scene {
    cluster: &'static Cluster,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for the other cases, brings the cluster up if it is not, and gives the Deployment `workers`.
pub fn scene(workers: u32) -> Scene {
    static TURN: Mutex<()> = Mutex::new(());
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    // A case that failed before leaves nothing that matters here.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let scene = Scene { cluster: CLUSTER.get_or_init(Cluster::up), _turn: turn };
    scene.scale(workers);
    scene
}

impl Cluster {
    fn up() -> Self {
        let up = Command::new(root().join("k8s-jobs/overlays/minikube/up")).output().unwrap();
        assert!(up.status.success(), "{}{}", text(&up.stdout), text(&up.stderr));

        let addresses = node()["status"]["addresses"].clone();
        let address = addresses.as_array().unwrap().iter().find(|address| address["type"] == "InternalIP").unwrap();
        let host = address["address"].as_str().unwrap();
        let secret = |name: &str, key: &str| {
            let encoded = get("secret", name)["data"][key].as_str().unwrap().to_owned();
            text(&BASE64_STANDARD.decode(encoded).unwrap())
        };
        let (access, password) = (secret("s3", "ROOT_ACCESS_KEY"), secret("rabbitmq", "RABBITMQ_DEFAULT_PASS"));
        let endpoint = format!("http://{host}:30070");
        let mut environment: Vec<(String, String)> = Vec::new();
        for (name, value) in get("configmap", "pixelmill")["data"].as_object().unwrap() {
            environment.push((name.clone(), value.as_str().unwrap().to_owned()));
        }
        for (name, value) in [
            ("AWS_ENDPOINT_URL_S3", endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", access.clone()),
            ("AWS_SECRET_ACCESS_KEY", secret("s3", "ROOT_SECRET_KEY")),
            ("PIXELMILL_AMQP_URL", format!("amqp://pixelmill:{password}@{host}:30672")),
        ] {
            environment.push((name.to_owned(), value));
        }
        let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let credentials = Some(Credentials::new(access, secret("s3", "ROOT_SECRET_KEY")));
        let cluster = Self {
            environment,
            options: Options { endpoint: Some(endpoint), credentials, ..Options::default() },
            runtime: Runtime::new().unwrap(),
            run,
        };
        for (name, content) in samples() {
            cluster.put(&format!("tests/{name}"), content);
        }
        cluster
    }

    fn put(&self, key: &str, content: Vec<u8>) {
        self.runtime.block_on(async {
            let photos = Store::open_with("s3://photos", &self.options).await.unwrap();
            photos.overwrite(&Key::new(key).unwrap(), content.into()).await.unwrap();
        });
    }
}

impl Scene {
    /// A name that no earlier run has used.
    pub fn unique(&self, name: &str) -> String {
        format!("{name}-{}", self.cluster.run)
    }

    /// Gives the Deployment this many workers, and waits until there are neither fewer nor more.
    pub fn scale(&self, workers: u32) {
        kubectl(&["scale", "deployment/worker", &format!("--replicas={workers}")]);
        wait(&format!("{workers} workers"), LIMIT, || {
            let pods = list("pods", "app.kubernetes.io/component=deployment");
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            (pods.len() == workers as usize && ready == pods.len()).then_some(())
        });
    }

    /// Puts an object into bucket `photos`.
    pub fn put(&self, key: &str, content: Vec<u8>) {
        self.cluster.put(key, content);
    }

    /// All keys of the store that begin with this.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.cluster.runtime.block_on(async {
            let store = Store::open_with("s3://results/store", &self.cluster.options).await.unwrap();
            let mut listing = store.list(prefix, None);
            let mut keys = Vec::new();
            while let Some(page) = listing.page().await.unwrap() {
                keys.extend(page.iter().map(ToString::to_string));
            }
            keys
        })
    }

    /// Runs the producer on this machine, which must succeed; gives its stdout.
    pub fn produce(&self, args: &[&str]) -> String {
        self.produce_from(args, "")
    }

    /// The same, with `input` as its stdin.
    pub fn produce_from(&self, args: &[&str], input: &str) -> String {
        let output = self.try_produce(args, input, &[]);
        assert!(output.status.success(), "producer {args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs the producer to its end, with more variables.
    pub fn try_produce(&self, args: &[&str], input: &str, variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_producer-under-test"));
        let environment = self.cluster.environment.iter().map(|(name, value)| (name, value));
        command.args(args).envs(environment).envs(variables.iter().copied());
        with_input(command, input)
    }
}

/// Whether a pod answers, and nobody has told it to stop.
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
    ready && pod["metadata"]["deletionTimestamp"].is_null()
}

/// The sample images of this repository.
pub fn samples() -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(root().join("samples")).unwrap().map(|file| file.unwrap().path());
    let mut samples: Vec<(String, Vec<u8>)> = files
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    samples.sort();
    samples
}

/// This repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What the number of images is multiplied by: for longer runs than a change is worth.
pub fn factor() -> usize {
    std::env::var("PIXELMILL_TEST_CLUSTER_FACTOR").map_or(1, |factor| factor.parse().expect("a whole number"))
}
