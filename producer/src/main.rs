//! `producer`: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use producer::{Cli, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _closed_terminal = error.print();
            return ExitCode::from(if error.use_stderr() { Failure::USAGE } else { 0 });
        }
    };
    match producer::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("producer"),
    }
}
