//! Alerts and dashboard: their queries name only metrics and labels that exist, and the alerts fire on what they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::kustomize::{documents, text};
use crate::promql::selectors;

/// What Prometheus adds to each series of a pod, and the bound of a histogram's class.
const OF_EVERY_POD: [&str; 6] = ["namespace", "pod", "container", "job", "instance", "le"];

/// Labels of each metric with their values, where the document lists them.
type Metrics = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What `/metrics` serves (docs/METRICS.md, compared with it by a test of the worker), and what others serve.
fn known() -> Metrics {
    let own = text("docs/METRICS.md");
    let others = text("docs/OPERATIONS.md");
    let mut metrics = Metrics::new();
    for row in own.lines().filter(|line| line.starts_with("| `pixelmill_")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = match cells[3].split_once(": ") {
            Some((label, values)) => BTreeMap::from([(quoted(label).remove(0), quoted(values).into_iter().collect())]),
            None => quoted(cells[3]).into_iter().map(|label| (label, BTreeSet::new())).collect(),
        };
        let name = quoted(cells[1]).remove(0);
        if cells[2] == "histogram" {
            for part in ["_bucket", "_sum", "_count"] {
                metrics.insert(format!("{name}{part}"), labels.clone());
            }
        } else {
            metrics.insert(name, labels);
        }
    }
    assert!(metrics.len() > 25, "only {} metrics in docs/METRICS.md", metrics.len());
    let (_, others) = others.split_once("## Metrics of others").unwrap();
    for row in others.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').collect();
        let labels = quoted(cells[2]).into_iter().map(|label| (label, BTreeSet::new())).collect();
        metrics.insert(quoted(cells[1]).remove(0), labels);
    }
    metrics
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rules() -> Value {
    documents(&text("k8s-jobs/components/monitoring/alerts.yaml")).remove(0)["spec"].take()
}

fn alerts() -> Vec<Value> {
    let groups = rules()["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn dashboard_queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("k8s-jobs/components/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn queries_name_only_metrics_and_labels_that_exist() {
    let known = known();
    let alerts = alerts();
    let queries = alerts.iter().map(|alert| alert["expr"].as_str().unwrap().to_owned());
    let mut asked = BTreeSet::new();
    for query in queries.chain(dashboard_queries()) {
        let selectors = selectors(&query);
        assert!(!selectors.is_empty(), "{query} asks for nothing");
        for selector in selectors {
            let labels =
                known.get(&selector.metric).unwrap_or_else(|| panic!("{} of {query} is no metric", selector.metric));
            for (label, operator, value) in &selector.matchers {
                let Some(values) = labels.get(label) else {
                    assert!(
                        OF_EVERY_POD.contains(&label.as_str()),
                        "{} of {query} has no label {label}",
                        selector.metric
                    );
                    continue;
                };
                let wanted: Vec<_> = if operator.ends_with('~') { value.split('|').collect() } else { vec![value] };
                let unknown: Vec<_> = wanted.into_iter().filter(|value| !values.contains(*value)).collect();
                assert!(values.is_empty() || unknown.is_empty(), "{label} in {query} is never {unknown:?}");
            }
            asked.insert(selector.metric);
        }
    }
    let unused: Vec<_> =
        known.keys().filter(|name| !name.starts_with("pixelmill_") && !asked.contains(*name)).collect();
    assert!(unused.is_empty(), "docs/OPERATIONS.md lists metrics that nothing asks for: {unused:?}");
}

#[test]
fn every_alert_has_a_paragraph_in_the_runbook() {
    let runbook = text("docs/OPERATIONS.md");
    let mut sections: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(sections.remove(name), "docs/OPERATIONS.md says nothing about {name}, or says it twice");
        let place = format!("docs/OPERATIONS.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], Value::from(place), "{name}");
    }
    assert!(sections.is_empty(), "docs/OPERATIONS.md knows alerts that there are not: {sections:?}");
}

#[test]
fn alerts_fire_on_what_they_are_for() {
    let cases = text("tests/tests/manifests/alerts.yaml");
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(cases.contains(&format!("alertname=\"{name}\"")), "no case shows {name}");
    }
    let folder = tempfile::tempdir().unwrap();
    // JSON is YAML.
    std::fs::write(folder.path().join("rules.yaml"), rules().to_string()).unwrap();
    std::fs::write(folder.path().join("alerts.yaml"), cases).unwrap();
    let dashboard: Vec<_> = dashboard_queries().iter().map(|query| query.replace("$namespace", "n")).collect();
    let recorded = |(n, query): (usize, &String)| serde_json::json!({"record": format!("query:{n}"), "expr": query});
    let recorded: Vec<_> = dashboard.iter().enumerate().map(recorded).collect();
    let group = serde_json::json!({"groups": [{"name": "dashboard", "rules": recorded}]});
    std::fs::write(folder.path().join("dashboard.yaml"), group.to_string()).unwrap();
    for arguments in [vec!["check", "rules", "rules.yaml", "dashboard.yaml"], vec!["test", "rules", "alerts.yaml"]] {
        let said = Command::new("promtool").args(&arguments).current_dir(folder.path()).output();
        let said = said.expect("promtool is needed: see tests/run");
        let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "promtool {}: {text}", arguments.join(" "));
    }
}
