//! What the documents claim of the source, and habits that a reader relies on.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let crates = ["models", "batch", "worker", "producer", "tests"];
    let mut folders: Vec<PathBuf> = crates.iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 100, "only {} source files were found", found.len());
    found
}

#[test]
fn every_module_says_what_it_is_for_and_stays_readable() {
    for (path, text) in sources() {
        let opens = text.starts_with("//!") || text.starts_with("#![doc = include_str!");
        assert!(opens, "{} has no module documentation", path.display());
        assert!(text.lines().count() <= 400, "{} is longer than 400 lines", path.display());
    }
}

#[test]
fn libraries_are_named_only_where_they_are_contained() {
    for (library, home) in [
        ("lapin::", "batch/queue"),
        ("aws_sdk_s3", "batch/store"),
        ("tract_onnx", "worker/inference"),
        ("backoff::", "batch/retry"),
    ] {
        for (path, text) in sources() {
            let at_home = path.starts_with(root().join(home)) || path.starts_with(root().join("tests"));
            assert!(at_home || !text.contains(library), "{} names {library}", path.display());
        }
    }
}

#[test]
fn the_architecture_names_what_is_there() {
    let text = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() < 130);
    let mut paths = 0;
    for name in text.split('`').skip(1).step_by(2).filter(|name| name.contains('/') && !name.contains(['<', ' ', '*']))
    {
        let first = name.split('/').next().unwrap();
        if ["models", "batch", "worker", "producer", "tests", "docs"].contains(&first) {
            assert!(root().join(name).exists(), "docs/ARCHITECTURE.md names {name}, which is not there");
            paths += 1;
        }
    }
    assert!(paths > 10, "only {paths} paths were checked");
}
