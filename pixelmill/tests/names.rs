//! The file is the program whose name it is called by, engines included.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the file by a link of this name.
fn run(folder: &Path, name: &str, arguments: &[&str]) -> Output {
    let link = folder.join(name);
    symlink(env!("CARGO_BIN_EXE_pixelmill"), &link).unwrap();
    Command::new(link).args(arguments).output().unwrap()
}

#[test]
fn each_name_is_its_program() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["worker", "producer"] {
        let output = run(folder.path(), name, &["--version"]);
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(name));
    }
    assert_eq!(run(folder.path(), "pixelmill", &[]).status.code(), Some(64));
}

#[test]
fn a_worker_finds_its_engine() {
    let folder = tempfile::tempdir().unwrap();
    let sample = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../samples/blue-car.png");
    let output = run(folder.path(), "worker", &["classify", sample.to_str().unwrap(), "--format", "csv"]);
    let rows = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && rows.contains("automobile"), "{rows}{:?}", output.stderr);
}
