//! kubectl, called as a person would.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Where everything lives.
const NAMESPACE: &str = "pixelmill";
/// Between two looks at the cluster.
const POLL: Duration = Duration::from_millis(300);

/// Runs kubectl in the namespace; it must succeed. Gives its stdout.
pub fn kubectl(args: &[&str]) -> String {
    let output = try_kubectl(args, "");
    assert!(output.status.success(), "kubectl {args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs kubectl in the namespace with `input` as its stdin.
pub fn try_kubectl(args: &[&str], input: &str) -> Output {
    let mut command = Command::new("kubectl");
    command.args(["--namespace", NAMESPACE]).args(args);
    with_input(command, input)
}

/// `kubectl apply` of a text.
pub fn apply(manifest: &str) {
    let output = try_kubectl(&["apply", "-f", "-"], manifest);
    assert!(output.status.success(), "{}\n{manifest}", text(&output.stderr));
}

/// One object.
pub fn get(kind: &str, name: &str) -> Value {
    serde_json::from_str(&kubectl(&["get", kind, name, "-o", "json"])).unwrap()
}

/// The first node.
pub fn node() -> Value {
    let nodes: Value = serde_json::from_str(&kubectl(&["get", "nodes", "-o", "json"])).unwrap();
    nodes["items"][0].clone()
}

/// All objects with these labels.
pub fn list(kind: &str, labels: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(&kubectl(&["get", kind, "-l", labels, "-o", "json"])).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// Its name.
pub fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

/// Waits until `condition` gives something; says what the namespace looks like if it does not.
pub fn wait<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        if started.elapsed() > limit {
            let pods = kubectl(&["get", "jobs,pods", "-o", "wide"]);
            let events = kubectl(&["get", "events", "--sort-by=.lastTimestamp"]);
            let last: Vec<&str> = events.lines().rev().take(25).collect();
            panic!("not within {limit:?}: {what}\n{pods}\n{}", last.join("\n"));
        }
        std::thread::sleep(POLL);
    }
}

/// Runs a command to its end.
pub fn with_input(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A program that ends without reading is judged by what it says.
    let _closed = writer.join().unwrap();
    output
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
