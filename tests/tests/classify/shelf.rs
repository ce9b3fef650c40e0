//! Images reach the engine on a shelf or through a pipe, and their rows are the same.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use batch::{Row, Status};

use crate::run::{Folder, png, rows, text, worker};

/// The largest image that lies on a shelf.
const LARGEST: usize = 4 << 20;

fn folder() -> Folder {
    let folder = Folder::with_images(5);
    let image = png(0);
    for (name, length) in [("as-it-is.png", image.len()), ("largest.png", LARGEST), ("larger.png", LARGEST + 1)] {
        let mut file = image.clone();
        file.resize(length, 0);
        folder.file(name, &file);
    }
    folder
}

#[test]
fn an_image_is_classified_whatever_its_size() {
    let folder = folder();
    let rows = rows(&[folder.path().to_str().unwrap()]);
    assert!(rows.len() == 8 && rows.iter().all(|row| row.status == Status::Ok), "{rows:#?}");
    let row = |name: &str| rows.iter().find(|row| row.image.ends_with(name)).unwrap();
    for name in ["largest.png", "larger.png"] {
        assert_eq!(row(name).top, row("as-it-is.png").top, "{name}");
    }
}

#[test]
fn where_no_shelf_can_be_images_come_through_the_pipe() {
    let folder = folder();
    // A limit on the size of files, in blocks of a kibibyte or less.
    let script = "ulimit -f 1024 && exec \"$0\" \"$@\"";
    let direct = worker(&["classify", folder.path().to_str().unwrap()]);
    let mut limited = Command::new("sh");
    limited.args(["-c", script]).arg(direct.get_program()).args(direct.get_args()).stdin(Stdio::null());
    let output = limited.env("PIXELMILL_LOG", "debug").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("through its pipe"), "{}", text(&output.stderr));
    let limited: Vec<Row> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(limited, rows(&[folder.path().to_str().unwrap()]));
}

#[test]
fn an_engine_sees_its_shelf() {
    let folder = Folder::new();
    folder.file("hang.jpg", b"PIXELMILL-TEST:hang");
    let mut worker = worker(&["classify", folder.path().to_str().unwrap()]).stdout(Stdio::null()).spawn().unwrap();
    let sees_it = || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", worker.id())).into_iter().flatten().flatten();
        let children = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
        let children = children.collect::<Vec<_>>().join(" ");
        let engines = children.split_whitespace();
        engines
            .filter_map(|engine| std::fs::read_to_string(format!("/proc/{engine}/maps")).ok())
            .any(|maps| maps.lines().any(|line| line.contains(" r--s ") && line.contains("/memfd:images")))
    };
    let begun = Instant::now();
    while !sees_it() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let seen = sees_it();
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(seen, "no engine has mapped a shelf");
}
