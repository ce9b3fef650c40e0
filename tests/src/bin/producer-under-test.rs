//! `producer` as it ships, with the failpoints at which a test can end it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match producer::run(producer::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("producer"),
    }
}
