//! The commands, wired to the runtime they need.

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::exit::Failure;
use crate::shutdown::Shutdown;
use crate::{check, classify, engine, run};

/// Threads of the runtime. It only waits and copies; one must be free for heartbeats whatever the other does.
const RUNTIME_THREADS: usize = 2;

/// The whole program: parse, run, exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _closed_terminal = error.print();
            if error.use_stderr() {
                telemetry::last_words(&error.to_string());
                return ExitCode::from(Failure::USAGE);
            }
            return ExitCode::SUCCESS;
        }
    };
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("worker"),
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        // It says what there is to say to its parent.
        Command::Engine => engine::run_child().map_err(Failure::usage),
        Command::Check(args) => logged("warn", check::run(&args)),
        Command::Run(args) => logged("info", async {
            let shutdown = Shutdown::on_signals().map_err(Failure::usage)?;
            run::run(*args, shutdown).await
        }),
        Command::Classify(args) => logged("warn", async {
            let shutdown = Shutdown::on_signals().map_err(Failure::usage)?;
            classify::run(*args, shutdown).await
        }),
    }
}

fn logged(level: &str, program: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let telemetry = telemetry::start("worker", level);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Failure::UNAVAILABLE, format!("no runtime: {error}")))?;
    let result = runtime.block_on(program);
    // A read that hangs in the kernel must not keep the program.
    runtime.shutdown_background();
    telemetry.finish();
    result
}
