//! Compares every package of a folder with ONNX Runtime's outputs in it, and measures loading and speed.
//!
//! `cargo run -p inference --example compare -- FOLDER [RUNS]`: one line a package, as a Markdown table; exit code 1 if
//! one differs. `models/export.py` makes such folders.

#[path = "../tests/reference/mod.rs"]
mod reference;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use inference::Classifier;
use models::Package;

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("usage: compare FOLDER [RUNS]")?);
    let runs = arguments.next().map_or(Ok(0), |runs| runs.parse()).context("RUNS must be a number")?;
    let mut code = ExitCode::SUCCESS;
    say("| package | score difference | relative | between inputs | load, s | images/s | |");
    say("|---|---|---|---|---|---|---|");
    for package in reference::packages_in(&folder)? {
        let name = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let line = line(&package, runs).unwrap_or_else(|error| Err(format!("{error:#}")));
        if line.is_err() {
            code = ExitCode::FAILURE;
        }
        say(&format!("| {name} | {} |", line.unwrap_or_else(|error| format!("| | | | | {error}"))));
    }
    Ok(code)
}

/// The cells of one package; `Err` holds them too where it differs.
fn line(package: &Path, runs: u32) -> Result<Result<String, String>> {
    let (reference, difference) = reference::compare(package)?;
    let (load, speed) = measure(package, runs)?;
    let agrees = difference.score.max(difference.relative) <= reference.tolerance
        && difference.between_inputs >= 10.0 * reference.tolerance;
    let cells = format!(
        "{:.1e} | {:.1e} | {:.1e} | {load:.3} | {speed:.1} | {}",
        difference.score,
        difference.relative,
        difference.between_inputs,
        if agrees { "agrees" } else { "**differs**" }
    );
    Ok(if agrees { Ok(cells) } else { Err(cells) })
}

/// Seconds to load, and images per second of one thread.
fn measure(package: &Path, runs: u32) -> Result<(f64, f64)> {
    let package = Package::open(package)?;
    let start = Instant::now();
    let classifier = Classifier::load(&package)?;
    let load = start.elapsed().as_secs_f64();
    let mut session = classifier.session();
    let input = reference::pattern(classifier.input_len(), 0);
    session.scores(&input)?;
    let start = Instant::now();
    for _ in 0..runs {
        session.scores(&input)?;
    }
    Ok((load, f64::from(runs) / start.elapsed().as_secs_f64()))
}

#[expect(clippy::print_stdout, reason = "the table is the program's output")]
fn say(line: &str) {
    println!("{line}");
}
