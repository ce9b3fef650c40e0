//! Running the binary, and folders of images for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use batch::Row;

/// A folder that is gone after the test, with images in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `count` small PNG files, no two alike.
    pub fn with_images(count: u32) -> Self {
        let folder = Self::new();
        for at in 0..count {
            folder.file(&format!("{at:04}.png"), &png(at));
        }
        folder
    }
}

/// A small image; another one for every seed.
pub fn png(seed: u32) -> Vec<u8> {
    const SIZE: (u32, u32) = (48, 40);
    // Noise over a gradient: a file of some kilobytes, so that cutting it short cuts pixels off.
    let noise =
        |x: u32, y: u32, channel: u32| (x * 7919 + y * 104_729 + channel * 31).wrapping_mul(2_654_435_761) >> 26;
    let value =
        |x: u32, y: u32, channel: u32| ((x * 3 + y * (channel + 2) + seed * 41 + noise(x, y, channel)) % 256) as u8;
    let pixel = |at: u32| [0, 1, 2].map(|channel| value(at % SIZE.0, at / SIZE.0, channel));
    let pixels: Vec<u8> = (0..SIZE.0 * SIZE.1).flat_map(pixel).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    file
}

/// The worker, without any setting of whoever runs the tests.
pub fn worker(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker-under-test"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PIXELMILL_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs the worker to its end.
pub fn run(args: &[&str]) -> Output {
    worker(args).output().unwrap()
}

/// Runs `worker classify`, which must succeed, and reads its rows.
pub fn rows(args: &[&str]) -> Vec<Row> {
    let output = worker(&["classify"]).args(args).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let text = text(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
