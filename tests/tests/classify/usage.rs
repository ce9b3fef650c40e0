//! What a person or a script meets first: formats, help, exit codes, clear messages.

use crate::run::{Folder, png, rows, run, text};

#[test]
fn a_pipe_gets_rows_in_order_and_nothing_else() {
    let folder = Folder::with_images(70);
    let images = folder.path().to_str().unwrap();
    let found = rows(&[images, "--task-size", "4"]);
    assert!(found.is_sorted_by_key(|row| row.image.clone()));
    assert_eq!(found.len(), 70);
    assert!(found.iter().all(|row| row.top.len() == 5 && row.model.starts_with("cifar10@")));
    let output = run(&["classify", images, "--format", "csv", "--top-k", "1"]);
    let csv = text(&output.stdout);
    assert_eq!(csv.lines().count(), 71);
    assert!(csv.starts_with("image,id,status,label,score"));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn tables_of_images_keep_user_ids_and_min_score_filters() {
    let folder = Folder::with_images(2);
    let line = |at| format!("{{\"uri\":\"{}/000{at}.png\",\"id\":\"user {at}\"}}\n", folder.path().display());
    let table = folder.file("images.jsonl", [line(1), line(0), line(1)].concat().as_bytes());
    let found = rows(&[table.to_str().unwrap()]);
    assert_eq!(found.iter().filter_map(|row| row.id.as_deref()).collect::<Vec<_>>(), ["user 1", "user 0", "user 1"]);
    assert_eq!(rows(&[table.to_str().unwrap(), "--min-score", "1.1"]).len(), 0);
}

#[test]
fn mistakes_exit_with_64_and_name_the_thing() {
    let folder = Folder::with_images(1);
    let images = folder.path().to_str().unwrap();
    let file = folder.file("file", &png(0));
    let below_a_file = file.join("out");
    let cases: [(&[&str], &str); 10] = [
        (&["classify"], "INPUT"),
        (&["classify", images, "--model", "/no/such/package"], "/no/such/package"),
        (&["classify", images, "--model", images], "model.toml"),
        (&["classify", "@/no/such/list"], "/no/such/list"),
        (&["run", "--amqp-url", "amqp://localhost:1", "--store", "/no/such/store"], "no such folder"),
        (
            &["run", "--amqp-url", "amqp://localhost:1", "--store", images, "--model", "/no/such/package"],
            "no such folder",
        ),
        (&["classify", "/no/such/*.jpg"], "no file matches"),
        (&["classify", images, "--max-bytes", "lots"], "lots"),
        (&["classify", images, "--max-memory", "10"], "at least 64MiB"),
        (&["classify", images, "--out", below_a_file.to_str().unwrap()], "file"),
    ];
    for (args, named) in cases {
        let output = run(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(named), "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
}

#[test]
fn failed_images_are_an_exit_code_only_when_asked() {
    let folder = Folder::with_images(1);
    folder.file("bad.png", b"no");
    let images = folder.path().to_str().unwrap();
    assert_eq!(run(&["classify", images]).status.code(), Some(0));
    assert_eq!(run(&["classify", images, "--fail-on-errors"]).status.code(), Some(1));
}

#[test]
fn help_and_version_succeed_and_check_accepts_the_builtin_model() {
    for args in [&["--help"][..], &["classify", "--help"], &["check", "--help"], &["--version"]] {
        assert!(run(args).status.success(), "{args:?}");
    }
    let output = run(&["check", "builtin"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).lines().last().is_some_and(|line| line.ends_with("ok")));
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_printing_and_not_the_check() {
    let empty = Folder::new();
    for (package, code) in [("builtin", 0), (empty.path().to_str().unwrap(), 64)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = crate::run::worker(&["check", package]).stdout(writer).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), said.is_empty()), (Some(code), code == 0), "{said}");
    }
}

#[test]
fn a_terminated_run_says_so_and_can_be_started_again() {
    let folder = Folder::with_images(40);
    // It cannot end by itself before it is told to.
    let hanging = folder.file("0020.png", b"PIXELMILL-TEST:hang");
    let out = Folder::new();
    let place = out.path().join("batch");
    let args = ["classify", folder.path().to_str().unwrap(), "--out", place.to_str().unwrap()];
    let child = crate::run::worker(&args)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let started = std::time::Instant::now();
    while !place.join("manifest.json").exists() {
        assert!(started.elapsed().as_secs() < 600, "no manifest within ten minutes");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("goes on"));
    std::fs::write(hanging, png(20)).unwrap();
    assert!(run(&args).status.success());
    assert!(place.join("_SUCCESS").exists());
}
