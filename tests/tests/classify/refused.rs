//! What the machine refuses: files that may not be read, folders that may not be written, a disk that is full.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use batch::ErrorCode;

use crate::run::{Folder, png, run, text, worker};

/// The worker as it is started by `shell`, a command line with `"$@"` in it.
fn under(shell: &str, args: &[&str]) -> Output {
    let command = worker(args);
    let mut wrapped = Command::new("sh");
    wrapped.args(["-c", shell, "sh"]).arg(command.get_program()).args(command.get_args());
    for (removed, _) in command.get_envs() {
        wrapped.env_remove(removed);
    }
    wrapped.output().unwrap()
}

/// Without root's right to read and write whatever it likes; others never had it.
fn without_privileges(args: &[&str]) -> Output {
    let privileges = "-dac_override,-dac_read_search";
    match rustix::process::getuid().is_root() {
        true => under(&format!("exec setpriv --inh-caps={privileges} --bounding-set={privileges} \"$@\""), args),
        false => run(args),
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_may_not_be_read_is_denied_and_the_rest_is_classified() {
    let folder = Folder::with_images(2);
    let secret = folder.file("secret.png", &png(9));
    let closed = folder.file("closed/inside.png", &png(8));
    mode(&secret, 0o000);
    mode(closed.parent().unwrap(), 0o000);
    let output = without_privileges(&["classify", folder.path().to_str().unwrap()]);
    mode(closed.parent().unwrap(), 0o700);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows: Vec<batch::Row> = text(&output.stdout).lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let denied = |row: &&batch::Row| row.error.as_ref().is_some_and(|error| error.code == ErrorCode::Denied);
    let names: Vec<_> = rows.iter().filter(denied).map(|row| row.image.rsplit_once('/').unwrap().1).collect();
    assert_eq!((rows.len(), names), (4, vec!["closed", "secret.png"]));
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    let folder = Folder::with_images(1);
    let closed = Folder::new();
    mode(closed.path(), 0o500);
    let out = closed.path().join("out");
    let output = without_privileges(&["classify", folder.path().to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(out.to_str().unwrap()), "{}", text(&output.stderr));
}

#[test]
fn a_full_disk_ends_the_run_and_room_lets_it_go_on_to_the_same_bytes() {
    let folder = Folder::with_images(100);
    let out = Folder::new();
    let place = out.path().join("batch");
    let args = ["classify", folder.path().to_str().unwrap(), "--out", place.to_str().unwrap(), "--task-size", "4"];
    // A file may have 8 KiB (16 by other shells): enough for the image list and a part, too little for the report.
    let output = under("trap '' XFSZ; ulimit -f 16; exec \"$@\"", &args);
    assert_eq!(output.status.code(), Some(75), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("no space left"), "{}", text(&output.stderr));
    assert!(!place.join("_SUCCESS").exists());
    let output = run(&args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(place.join("_SUCCESS").exists());

    let calm = out.path().join("calm/batch");
    std::fs::create_dir(calm.parent().unwrap()).unwrap();
    assert!(run(&[&args[..3], &[calm.to_str().unwrap(), "--task-size", "4"]].concat()).status.success());
    for name in ["manifest.json", "summary.json", "results-00000.parquet", "parts/00000007.jsonl"] {
        assert_eq!(std::fs::read(place.join(name)).unwrap(), std::fs::read(calm.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn rows_that_cannot_be_printed_are_a_failure() {
    let folder = Folder::with_images(1);
    let output = under("exec \"$@\" > /dev/full", &["classify", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(75), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("printing rows"), "{}", text(&output.stderr));
}

#[test]
fn a_table_without_an_end_is_refused() {
    let folder = Folder::new();
    for name in ["images.csv", "images.jsonl"] {
        let table = folder.path().join(name);
        std::os::unix::fs::symlink("/dev/zero", &table).unwrap();
        let output = run(&["classify", table.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(64));
        assert!(text(&output.stderr).contains("regular file"), "{}", text(&output.stderr));
    }
}

#[test]
fn without_authorities_tls_is_refused_and_everything_else_works() {
    let folder = Folder::with_images(1);
    let settings = [("SSL_CERT_FILE", "/nowhere.pem"), ("SSL_CERT_DIR", "/nowhere"), ("AWS_REGION", "us-east-1")];
    let classify = |input: &[&str]| worker(&[&["classify"], input].concat()).envs(settings).output().unwrap();
    for input in [&["s3://photos/"][..], &["https://127.0.0.1/a.jpg", "--allow-http-host", "127.0.0.1"]] {
        let output = classify(input);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{input:?}: {said}");
        assert!(said.contains("certificates") && said.contains("SSL_CERT_FILE"), "{said}");
    }
    let output = classify(&[folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}
