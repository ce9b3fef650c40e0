//! Runs a package on request, for `docs/bench`. usage: infer_rounds PACKAGE|builtin
//!
//! Prints `ready` when the package is loaded; for each line with a number n it runs n images and prints `done`.

use anyhow::{Context, Result};
use inference::Classifier;
use models::Package;

#[expect(clippy::print_stdout, reason = "the other side reads it")]
fn main() -> Result<()> {
    let package = std::env::args().nth(1).context("usage: infer_rounds PACKAGE|builtin")?;
    let package = if package == "builtin" { Package::builtin()? } else { Package::open(package.as_ref())? };
    let classifier = Classifier::load(&package)?;
    let mut session = classifier.session();
    // The same few values for every image: neither zero nor denormal.
    let input: Vec<f32> = (0..classifier.input_len()).map(|i| ((7919 * i) % 257) as f32 / 64.0 - 2.0).collect();
    println!("ready");
    for line in std::io::stdin().lines() {
        for _ in 0..line?.trim().parse::<u32>()? {
            session.scores(&input)?;
        }
        println!("done");
    }
    Ok(())
}
