//! The commands, wired to the runtime they need.

use std::process::ExitCode;

use program::Failure;

use crate::cli::{Cli, Command};
use crate::shutdown::Shutdown;
use crate::{check, classify, engine, machine, run};

/// The whole program: parse, run, exit code.
pub fn main() -> ExitCode {
    program::main("worker", dispatch)
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    machine::begin();
    machine::keep_freed_memory();
    match cli.command {
        // It says what there is to say to its parent.
        Command::Engine => engine::run_child().map_err(Failure::usage),
        Command::Check(args) => program::block_on("worker", "warn", check::run(&args)),
        Command::Run(args) => program::block_on("worker", "info", async {
            let shutdown = Shutdown::on_signals().map_err(Failure::usage)?;
            run::run(*args, shutdown).await
        }),
        Command::Classify(args) => program::block_on("worker", "warn", async {
            let shutdown = Shutdown::on_signals().map_err(Failure::usage)?;
            classify::run(*args, shutdown).await
        }),
    }
}
