//! Any text as `model.toml`: refused with a sentence, or a description by which an image becomes a tensor.

#![no_main]

use imaging::{Decoded, Limits, Preprocessor, decode};
use libfuzzer_sys::fuzz_target;
use models::ModelSpec;

/// Larger tensors only take time.
const LARGEST_SIDE: u32 = 256;

static PICTURE: &[u8] = include_bytes!("../../worker/imaging/fixtures/shape-20x15.png");

fn picture(spec: &ModelSpec) -> Decoded {
    decode(PICTURE, &Limits::default(), &spec.input).expect("a PNG file")
}

fuzz_target!(|text: &str| {
    let spec = match ModelSpec::parse(text) {
        Ok(spec) => spec,
        Err(sentence) => return assert!(!sentence.is_empty()),
    };
    if spec.input.shorter_side().max(spec.input.height).max(spec.input.width) > LARGEST_SIDE {
        return;
    }
    let mut tensor = vec![f32::NAN; spec.input.len()];
    Preprocessor::new(&spec.input).fill(&picture(&spec), &mut tensor);
    assert!(tensor.iter().all(|value| !value.is_nan()));
});
