//! Killed at any moment and started again, a batch ends with the bytes of an undisturbed run.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::run::{Folder, run, text, worker};

/// Everything whose bytes must not depend on what happened on the way.
fn fixed_bytes(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![out.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(out).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !name.starts_with("aside/")
                && name != "run.json"
                && name != "report.html"
                && !name.starts_with(".tmp/")
                // Killed while it tried the folder.
                && !name.starts_with("probe/")
            {
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn a_killed_batch_goes_on_and_ends_with_the_same_bytes() {
    let folder = Folder::with_images(600);
    folder.file("0300-not-an-image.png", b"text");
    let images = folder.path().to_str().unwrap();
    let out = Folder::new();
    let (calm, killed) = (out.path().join("calm/batch"), out.path().join("killed/batch"));
    let args = |out: &Path, threads: &str| {
        ["classify", images, "--out", out.to_str().unwrap(), "--task-size", "8", "--threads", threads].map(String::from)
    };
    let undisturbed = worker(&[]).args(args(&calm, "1")).output().unwrap();
    assert!(undisturbed.status.success(), "{}", text(&undisturbed.stderr));
    assert!(calm.join("report.html").exists());

    let mut kills = 0;
    for attempt in 0_u64.. {
        let mut child = worker(&[]).args(args(&killed, "3")).stdout(Stdio::null()).spawn().unwrap();
        // Later and later, so that every run gets a little further.
        std::thread::sleep(Duration::from_millis(60 + attempt * 45));
        if child.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(attempt < 200, "it never ends");
    }
    assert!(kills > 0, "it was never killed");
    let (calm, killed) = (fixed_bytes(&calm), fixed_bytes(&killed));
    assert_eq!(calm.keys().collect::<Vec<_>>(), killed.keys().collect::<Vec<_>>());
    for (name, bytes) in &calm {
        assert!(killed[name] == *bytes, "{name} differs after {kills} kills");
    }
}

#[test]
fn another_input_model_or_setting_in_the_same_place_is_refused() {
    let (folder, other, out) = (Folder::with_images(3), Folder::with_images(2), Folder::new());
    let (images, others) = (folder.path().to_str().unwrap(), other.path().to_str().unwrap());
    let place = out.path().join("batch");
    let place = place.to_str().unwrap();
    assert!(run(&["classify", images, "--out", place]).status.success());
    for (args, reason) in [
        (vec!["classify", others, "--out", place], "input"),
        (vec!["classify", images, "--out", place, "--top-k", "2"], "top_k"),
        (vec!["classify", images, "--out", place, "--task-size", "2"], "task size"),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(64));
        assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
    }
    let again = run(&["classify", images, "--out", place]);
    assert!(again.status.success());
    assert_eq!(text(&again.stdout).lines().count(), 3, "a finished batch prints its rows again");
}
