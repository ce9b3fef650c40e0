//! Whatever lies in a folder, every image gets exactly one row, and no image hurts another.

use batch::{ErrorCode, Row, Status};

use crate::run::{Folder, png, rows};

fn code(rows: &[Row], name: &str) -> Option<ErrorCode> {
    let found: Vec<_> = rows.iter().filter(|row| row.image.ends_with(name)).collect();
    assert_eq!(found.len(), 1, "{name} has {} rows", found.len());
    found[0].error.as_ref().map(|error| error.code)
}

/// A PNG header that claims 20,000 × 20,000 pixels.
fn bomb() -> Vec<u8> {
    let mut file = png(0);
    file[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
    let crc = crc32(&file[12..29]);
    file[29..33].copy_from_slice(&crc.to_be_bytes());
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn every_bad_file_has_its_code_and_all_others_are_classified() {
    let folder = Folder::with_images(20);
    folder.file("z-empty.jpg", b"");
    folder.file("z-page.jpg", b"<!doctype html><title>404</title>");
    folder.file("z-notes.txt", b"bananas\n");
    folder.file("z-cut.png", &png(1)[..600]);
    folder.file("z-bomb.png", &bomb());
    folder.file("z-wrong-name.jpg", &png(2));
    folder.file("z-panic.jpg", b"PIXELMILL-TEST:panic");
    let mut garbage = b"\xff\xd8\xff\xe0".to_vec();
    garbage.extend((0..5000_u32).map(|at| (at * 7919 % 251) as u8));
    folder.file("z-garbage.jpg", &garbage);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path().join("z-fifo.jpg"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("z-broken.jpg")).unwrap();
    let rows = rows(&[folder.path().to_str().unwrap()]);
    assert_eq!(rows.len(), 30);
    let good = rows.iter().filter(|row| row.status == Status::Ok).count();
    assert_eq!(good, 21, "{rows:#?}");
    assert_eq!(code(&rows, "z-wrong-name.jpg"), None);
    assert_eq!(code(&rows, "z-cut.png"), Some(ErrorCode::Truncated));
    assert_eq!(code(&rows, "z-bomb.png"), Some(ErrorCode::TooManyPixels));
    assert_eq!(code(&rows, "z-page.jpg"), Some(ErrorCode::Unsupported));
    assert_eq!(code(&rows, "z-broken.jpg"), Some(ErrorCode::NotFound));
    assert_eq!(code(&rows, "z-panic.jpg"), Some(ErrorCode::Crashed));
    for name in ["z-empty.jpg", "z-notes.txt", "z-garbage.jpg", "z-fifo.jpg"] {
        assert!(code(&rows, name).is_some(), "{name}");
    }
}

#[test]
fn missing_files_and_folders_in_a_list_get_their_rows_in_order() {
    let folder = Folder::with_images(1);
    let image = folder.path().join("0000.png");
    let names = ["/no/such.jpg", image.to_str().unwrap(), folder.path().to_str().unwrap(), image.to_str().unwrap()];
    let list = folder.file("list.txt", names.join("\n").as_bytes());
    let rows = rows(&[&format!("@{}", list.display())]);
    assert_eq!(rows.iter().map(|row| row.image.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(rows[0].error.as_ref().unwrap().code, ErrorCode::NotFound);
    assert_eq!(rows[2].status, Status::Error);
    assert_eq!((rows[1].status, &rows[1].label), (Status::Ok, &rows[3].label));
}

#[test]
fn images_that_kill_hang_or_exhaust_the_engine_are_proved_guilty_alone() {
    let folder = Folder::with_images(40);
    for (name, order) in [
        ("0005-abort.jpg", "abort"),
        ("0006-exit.jpg", "exit"),
        ("0011-allocate.jpg", "allocate"),
        ("0012-abort.jpg", "abort"),
        ("0020-hang.jpg", "hang"),
    ] {
        folder.file(name, format!("PIXELMILL-TEST:{order}").as_bytes());
    }
    let args =
        [folder.path().to_str().unwrap(), "--image-timeout", "10", "--max-memory", "300MiB", "--task-size", "16"];
    let rows = rows(&args);
    assert_eq!(rows.len(), 45);
    assert_eq!(rows.iter().filter(|row| row.status == Status::Ok).count(), 40);
    for name in ["0005-abort.jpg", "0006-exit.jpg", "0011-allocate.jpg", "0012-abort.jpg"] {
        assert_eq!(code(&rows, name), Some(ErrorCode::Crashed), "{name}");
    }
    assert_eq!(code(&rows, "0020-hang.jpg"), Some(ErrorCode::Timeout));
}

#[test]
fn truncated_images_can_be_accepted_with_a_warning() {
    let folder = Folder::new();
    folder.file("cut.png", &png(3)[..900]);
    let path = folder.path().to_str().unwrap();
    let strict = rows(&[path]);
    let tolerant = rows(&[path, "--on-truncated", "warn"]);
    assert_eq!((strict[0].status, tolerant[0].status), (Status::Error, Status::Ok));
    assert_eq!(tolerant[0].error.as_ref().unwrap().code, ErrorCode::Truncated);
}
