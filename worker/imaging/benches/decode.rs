//! What one image costs before inference, stage by stage: `cargo bench -p imaging`. The pictures are drawn here.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
use imaging::{Limits, Preprocessor, decode, thumbnail};
use models::{Channels, Filter, InputSpec, Layout, Resize};

/// A JPEG of soft shapes with a little noise, about as dense as a photo.
fn photo(width: u32, height: u32) -> Vec<u8> {
    let mut state = 1u32;
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 24) as f32 / 255.0 * 6.0;
            let (u, v) = (x as f32 / width as f32 * 40.0, y as f32 / height as f32 * 30.0);
            let wave = |a: f32, b: f32| 120.0 + 60.0 * (a.sin() + (b * 0.7).cos()) + noise;
            pixels.extend([wave(u, v), wave(v, u * 0.5), wave(u + v, v)].map(|value| value as u8));
        }
    }
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 88).encode(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
    jpeg
}

fn spec(filter: Filter) -> InputSpec {
    InputSpec {
        name: None,
        layout: Layout::Nchw,
        height: 224,
        width: 224,
        channels: Channels::Rgb,
        resize: Resize::ShorterSide,
        resize_to: Some(256),
        filter,
        fill: None,
        full_decode: false,
        scale: 255.0,
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
    }
}

/// Reading files to samples, and what comes after: colours, resizing and normalising.
fn benches(criterion: &mut Criterion) {
    let limits = Limits::default();
    let (bilinear, nearest) = (spec(Filter::Bilinear), spec(Filter::Nearest));
    let in_full = InputSpec { full_decode: true, ..spec(Filter::Bilinear) };
    let luma = InputSpec { channels: Channels::Luma, mean: vec![0.5], std: vec![0.5], ..spec(Filter::Bilinear) };
    for (name, jpeg) in [("500x375", photo(500, 375)), ("4000x3000", photo(4000, 3000))] {
        let mut group = criterion.benchmark_group(name);
        group.bench_function("decode for 224x224", |b| b.iter(|| decode(black_box(&jpeg), &limits, &bilinear)));
        group.bench_function("decode in full", |b| b.iter(|| decode(black_box(&jpeg), &limits, &in_full)));
        for (what, spec) in [
            ("resize and normalise", &bilinear),
            ("resize in full", &in_full),
            ("nearest and normalise", &nearest),
            ("resize, as one luma", &luma),
        ] {
            let image = decode(&jpeg, &limits, spec).unwrap();
            let mut preprocessor = Preprocessor::new(spec);
            let mut tensor = vec![0.0; spec.len()];
            group.bench_function(what, |b| b.iter(|| preprocessor.fill(black_box(&image), &mut tensor)));
        }
        group.bench_function("thumbnail", |b| b.iter(|| thumbnail(black_box(&jpeg), &limits, 160)));
        group.finish();
    }
}

/// Each filter, and normalising, of an image that has its size already; both with the way from the samples of a JPEG to colours.
fn stages(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("1000x750 pixels");
    let jpeg = photo(1000, 750);
    for filter in [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
        let spec = spec(filter);
        // One that needs every pixel.
        let all = InputSpec { filter: Filter::Nearest, resize: Resize::Stretch, resize_to: None, ..spec.clone() };
        let image = decode(&jpeg, &limits, &all).unwrap();
        let (mut preprocessor, mut tensor) = (Preprocessor::new(&spec), vec![0.0; spec.len()]);
        group.bench_function(format!("{filter:?}"), |b| b.iter(|| preprocessor.fill(black_box(&image), &mut tensor)));
    }
    group.finish();
    let mut group = criterion.benchmark_group("224x224 pixels");
    let jpeg = photo(224, 224);
    for layout in [Layout::Nchw, Layout::Nhwc] {
        let spec = InputSpec { layout, resize: Resize::Stretch, resize_to: None, ..spec(Filter::Nearest) };
        let image = decode(&jpeg, &limits, &spec).unwrap();
        let (mut preprocessor, mut tensor) = (Preprocessor::new(&spec), vec![0.0; spec.len()]);
        let name = format!("normalise to {layout:?}");
        group.bench_function(name, |b| b.iter(|| preprocessor.fill(black_box(&image), &mut tensor)));
    }
    group.finish();
}

criterion_group!(all, benches, stages);
criterion_main!(all);
