//! Damaged fixtures: whatever the bytes, `decode` gives an image of the size it says within the limits, or an error.
//!
//! `PIXELMILL_MUTATIONS` sets how many files are tried; the seed is fixed, so a failure repeats.

use std::path::PathBuf;

use imaging::{Format, Limits, OnTruncated, Preprocessor, decode, thumbnail};
use models::{Channels, Filter, InputSpec, Layout, Resize};

/// Files tried unless the environment says otherwise.
const MUTATIONS: u32 = 4000;

/// A linear congruential generator: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// Changes some bytes, cuts, or joins with another file.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    match random.below(10) {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => {
            let at = random.below(bytes.len());
            bytes.splice(at.., other[random.below(other.len())..].iter().copied());
        }
        2 => {
            let at = random.below(bytes.len());
            bytes.splice(at..at, std::iter::repeat_n(0xff, 1 + random.below(9)));
        }
        _ => {
            // Headers are short, so half of the changes go there.
            let end = if random.below(2) == 0 { bytes.len().min(700) } else { bytes.len() };
            for _ in 0..1 + random.below(6) {
                let at = random.below(end);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 0xff, 0x7f, *byte ^ 1 << random.below(8), random.below(256) as u8][random.below(5)];
                }
            }
        }
    }
}

fn spec(side: u32) -> InputSpec {
    InputSpec {
        name: None,
        layout: Layout::Nchw,
        height: side,
        width: side + 1,
        channels: Channels::Rgb,
        resize: Resize::ShorterSide,
        resize_to: Some(side + 2),
        filter: Filter::Lanczos,
        fill: None,
        full_decode: false,
        scale: 255.0,
        mean: vec![0.5; 3],
        std: vec![0.5; 3],
    }
}

#[test]
fn no_bytes_break_the_rules() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file() && !path.extension().is_some_and(|end| end == "py" || end == "json"));
    paths.sort();
    let files: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let count = std::env::var("PIXELMILL_MUTATIONS").map_or(MUTATIONS, |text| text.parse().unwrap());
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 16, on_truncated: OnTruncated::Warn };
    let specs = [spec(2), spec(7), spec(33)];
    let mut preprocessors = specs.each_ref().map(Preprocessor::new);
    let (mut random, mut decoded) = (Random(1), 0);
    for number in 0..count {
        let mut bytes = files[random.below(files.len())].clone();
        for _ in 0..1 + random.below(3) {
            let other = random.below(files.len());
            mutate(&mut random, &mut bytes, &files[other]);
        }
        let which = random.below(specs.len());
        match decode(&bytes, &limits, &specs[which]) {
            Ok(image) => {
                decoded += 1;
                let (width, height) = image.pixel_size();
                assert!(u64::from(image.width) * u64::from(image.height) <= limits.max_pixels, "number {number}");
                assert!(width <= image.width && height <= image.height, "number {number}");
                assert_eq!(image.pixels().len(), width as usize * height as usize * 3, "number {number}");
                let mut tensor = vec![f32::NAN; specs[which].len()];
                preprocessors[which].fill(&image, &mut tensor);
                assert!(tensor.iter().all(|value| (-1.0..=1.0).contains(value)), "number {number}");
            }
            Err(error) => {
                assert!(!error.to_string().is_empty(), "number {number}");
                // Foreign decoders may panic, which is caught; ours must not.
                let ours = Format::of(&bytes) == Ok(Format::Jpeg);
                assert!(!(ours && error.to_string().contains("panicked")), "number {number}: {error}");
            }
        }
        if number % 16 == 0 {
            let _ = thumbnail(&bytes, &limits, 9);
        }
    }
    assert!(decoded > count / 10, "only {decoded} of {count} files were decoded");
}
