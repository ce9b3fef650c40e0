//! Turns image files into input tensors on request, for `docs/bench`. usage: decode_rounds FILE…
//!
//! Prints `ready`; for each line with a number n it does all files n times and prints `done`.

use imaging::{Limits, Preprocessor, decode};
use models::{Channels, Filter, InputSpec, Layout, Resize};

#[expect(clippy::print_stdout, reason = "the other side reads it")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<Vec<u8>> = std::env::args().skip(1).map(std::fs::read).collect::<Result<_, _>>()?;
    let spec = InputSpec {
        name: None,
        layout: Layout::Nchw,
        height: 224,
        width: 224,
        channels: Channels::Rgb,
        resize: Resize::ShorterSide,
        resize_to: Some(256),
        filter: Filter::Bilinear,
        fill: None,
        full_decode: false,
        scale: 255.0,
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
    };
    let (limits, mut preprocessor, mut tensor) = (Limits::default(), Preprocessor::new(&spec), vec![0.0; spec.len()]);
    println!("ready");
    for line in std::io::stdin().lines() {
        for _ in 0..line?.trim().parse::<u32>()? {
            for file in &files {
                preprocessor.fill(&decode(file, &limits, &spec)?, &mut tensor);
            }
        }
        println!("done");
    }
    Ok(())
}
