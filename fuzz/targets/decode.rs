//! Any bytes as an image: refused, or pixels of the size that it says, within the limits, that become a tensor.

#![no_main]

use std::sync::LazyLock;

use imaging::{Limits, OnTruncated, Preprocessor, decode};
use libfuzzer_sys::fuzz_target;
use models::{Channels, Filter, InputSpec, Layout, Resize};

static SPEC: LazyLock<InputSpec> = LazyLock::new(|| InputSpec {
    name: None,
    layout: Layout::Nchw,
    height: 7,
    width: 5,
    channels: Channels::Rgb,
    resize: Resize::ShorterSide,
    resize_to: Some(8),
    filter: Filter::Bilinear,
    fill: None,
    full_decode: false,
    scale: 255.0,
    mean: vec![0.0; 3],
    std: vec![1.0; 3],
});

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 20, on_truncated: OnTruncated::Warn };
    let Ok(image) = decode(bytes, &limits, &SPEC) else { return };
    let (width, height) = image.pixel_size();
    assert!(u64::from(image.width) * u64::from(image.height) <= limits.max_pixels);
    assert_eq!(image.pixels().len(), width as usize * height as usize * 3);
    let mut tensor = vec![f32::NAN; SPEC.len()];
    Preprocessor::new(&SPEC).fill(&image, &mut tensor);
    assert!(tensor.iter().all(|value| (0.0..=1.0).contains(value)));
});
