//! `worker`: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use worker::{Cli, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _closed_terminal = error.print();
            return ExitCode::from(if error.use_stderr() { Failure::USAGE } else { 0 });
        }
    };
    match worker::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("worker"),
    }
}
