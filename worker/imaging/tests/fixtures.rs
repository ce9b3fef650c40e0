//! The fixtures against what Pillow makes of them (`fixtures/make.py`), within the tolerances of `fixtures/index.json`.

use std::path::PathBuf;

use imaging::{Decoded, Limits, OnTruncated, Preprocessor, decode, thumbnail};
use models::{Channels, Filter, InputSpec, Layout, Resize};
use serde::Deserialize;

#[derive(Deserialize)]
struct Index {
    decode: Vec<Pixels>,
    reduced: Vec<Reduced>,
    resize: Vec<Resized>,
    bad: Vec<Bad>,
}

#[derive(Deserialize)]
struct Pixels {
    file: String,
    reference: String,
    max: u8,
    mean: f64,
}

#[derive(Deserialize)]
struct Reduced {
    file: String,
    reference: String,
    reduction: u32,
}

#[derive(Deserialize)]
struct Resized {
    file: String,
    reference: String,
    resize: Resize,
    filter: Filter,
    width: u32,
    height: u32,
    resize_to: u32,
    fill: [u8; 3],
}

#[derive(Deserialize)]
struct Bad {
    file: String,
    code: String,
    warn: String,
}

fn read(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn index() -> Index {
    serde_json::from_slice(&read("index.json")).unwrap()
}

/// A spec whose tensor holds the pixel values themselves.
fn plain(width: u32, height: u32, resize: Resize, filter: Filter) -> InputSpec {
    InputSpec {
        name: None,
        layout: Layout::Nhwc,
        height,
        width,
        channels: Channels::Rgb,
        resize,
        resize_to: None,
        filter,
        fill: None,
        full_decode: false,
        scale: 1.0,
        mean: vec![0.0; 3],
        std: vec![1.0; 3],
    }
}

/// A spec that asks for so many pixels that nothing is decoded at a reduced scale.
fn full() -> InputSpec {
    plain(224, 224, Resize::Stretch, Filter::Bilinear)
}

/// Width, height and RGB8 pixels of a reference.
fn reference(name: &str) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(read(name))).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight), "{name}");
    (info.width, info.height, pixels)
}

/// Largest and mean absolute difference.
fn difference(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let differences = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (differences().max().unwrap(), differences().map(f64::from).sum::<f64>() / a.len() as f64)
}

#[test]
fn pixels_are_those_of_pillow() {
    let mut wrong = Vec::new();
    for case in index().decode {
        let (width, height, expected) = reference(&case.reference);
        match decode(&read(&case.file), &Limits::default(), &full()) {
            Ok(image) if (image.width, image.height) != (width, height) => {
                wrong.push(format!("{}: {}x{}, not {width}x{height}", case.file, image.width, image.height));
            }
            Ok(image) => {
                assert!(!image.truncated, "{}", case.file);
                assert_eq!(image.pixel_size(), (width, height), "{}", case.file);
                let (largest, mean) = difference(&image.pixels(), &expected);
                if largest > case.max || mean > case.mean {
                    wrong.push(format!("{}: differs by up to {largest}, {mean:.3} on average", case.file));
                }
            }
            Err(error) => wrong.push(format!("{}: {}: {error}", case.file, error.code())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn reduced_pixels_are_nearly_those_of_a_draft() {
    let mut wrong = Vec::new();
    for case in index().reduced {
        let bytes = read(&case.file);
        let whole = decode(&bytes, &Limits::default(), &full()).unwrap();
        let side = |length: u32| length / (2 * case.reduction);
        let spec = plain(side(whole.width), side(whole.height), Resize::Stretch, Filter::Bilinear);
        let image = decode(&bytes, &Limits::default(), &spec).unwrap();
        assert_eq!((image.width, image.height), (whole.width, whole.height));
        let (width, height, expected) = reference(&case.reference);
        assert_eq!(image.pixel_size(), (width, height), "{}", case.reference);
        // A draft rounds before it converts colours, and once more after it.
        let (largest, mean) = difference(&image.pixels(), &expected);
        if largest > 3 || mean > 0.5 {
            wrong.push(format!("{}: differs by up to {largest}, {mean:.3} on average", case.reference));
        }
        let in_full = decode(&bytes, &Limits::default(), &InputSpec { full_decode: true, ..spec }).unwrap();
        assert!(in_full.pixels() == whole.pixels(), "{}", case.file);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn resized_pixels_are_those_of_pillow() {
    let mut wrong = Vec::new();
    for case in index().resize {
        let mut spec = plain(case.width, case.height, case.resize, case.filter);
        spec.resize_to = (case.resize == Resize::ShorterSide).then_some(case.resize_to);
        spec.fill = (case.resize == Resize::Letterbox).then_some(case.fill);
        let image = decode(&read(&case.file), &Limits::default(), &spec).unwrap();
        let mut tensor = vec![f32::NAN; spec.len()];
        Preprocessor::new(&spec).fill(&image, &mut tensor);
        let pixels: Vec<u8> = tensor.iter().map(|&value| value as u8).collect();
        let (width, height, expected) = reference(&case.reference);
        assert_eq!((width, height), (case.width, case.height));
        let (largest, mean) = difference(&pixels, &expected);
        // Where the axes shrink differently, one level of difference was seen; its cause is not known.
        let allowed = if case.resize == Resize::Stretch { 1 } else { 0 };
        if largest > allowed {
            wrong.push(format!("{}: differs by up to {largest}, {mean:.3} on average", case.reference));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn broken_files_get_their_code() {
    let warn = Limits { on_truncated: OnTruncated::Warn, ..Limits::default() };
    let mut wrong = Vec::new();
    for case in index().bad {
        let bytes = read(&case.file);
        let outcome = |limits: &Limits| match decode(&bytes, limits, &full()) {
            Ok(image) => (if image.truncated { "ok" } else { "whole" }.to_owned(), String::new()),
            Err(error) => (error.code().to_owned(), error.to_string()),
        };
        for (limits, expected) in [(&Limits::default(), &case.code), (&warn, &case.warn)] {
            let (code, message) = outcome(limits);
            if code != *expected {
                wrong.push(format!("{}: {code}, not {expected} ({message})", case.file));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_there_of_a_cut_file_is_kept() {
    let warn = Limits { on_truncated: OnTruncated::Warn, ..Limits::default() };
    for name in ["420.jpg", "rgb.png", "sequential.gif"] {
        let bytes = read(name);
        let whole = decode(&bytes, &Limits::default(), &full()).unwrap();
        let cut = decode(&bytes[..bytes.len() * 7 / 10], &warn, &full()).unwrap();
        assert!(cut.truncated);
        assert_eq!(cut.pixel_size(), whole.pixel_size());
        let corner = |image: &Decoded| {
            let pixels = image.pixels();
            let rows = pixels.chunks(image.width as usize * 3).take(6);
            rows.flat_map(|row| row[..12 * 3].to_vec()).collect::<Vec<u8>>()
        };
        assert_eq!(corner(&cut), corner(&whole));
        assert_ne!(cut.pixels(), whole.pixels());
    }
}

#[test]
fn limits_come_before_pixels() {
    let bytes = read("420.jpg");
    let small = Limits { max_bytes: bytes.len() as u64 - 1, ..Limits::default() };
    assert_eq!(decode(&bytes, &small, &full()).unwrap_err().code(), "too_large");
    for name in ["420.jpg", "rgb.png", "lossy.webp", "palette.gif", "rgb.bmp", "raw.tif"] {
        let few = Limits { max_pixels: 35 * 25 - 1, ..Limits::default() };
        let error = decode(&read(name), &few, &full()).unwrap_err();
        assert_eq!(error.code(), "too_many_pixels", "{name}: {error}");
        assert!(error.to_string().starts_with("35x25 = 875 pixels"), "{error}");
        let enough = Limits { max_pixels: 35 * 25, ..Limits::default() };
        assert!(decode(&read(name), &enough, &full()).is_ok(), "{name}");
    }
}

#[test]
fn thumbnails_are_small_jpegs_the_right_way_up() {
    for (name, size) in [("orientation-6.jpg", (14, 20)), ("rgb.png", (20, 14)), ("size-8x8.jpg", (8, 8))] {
        let jpeg = thumbnail(&read(name), &Limits::default(), 20).unwrap();
        let image = decode(&jpeg, &Limits::default(), &full()).unwrap();
        assert_eq!((image.width, image.height), size, "{name}");
    }
    assert_eq!(thumbnail(b"<svg/>", &Limits::default(), 20).unwrap_err().code(), "unsupported");
}
