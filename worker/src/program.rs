//! The commands, wired to the runtime they need.

use crate::cli::{Cli, Command};
use crate::exit::Failure;
use crate::shutdown::Shutdown;
use crate::{check, classify, engine, logging};

/// Threads of the runtime. It only waits and copies; one must be free for heartbeats whatever the other does.
const RUNTIME_THREADS: usize = 2;

/// Runs a command to its end.
pub fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Engine => engine::run_child().map_err(Failure::usage),
        Command::Check(args) => check::run(&args),
        Command::Classify(args) => {
            logging::start();
            on_runtime(async {
                let shutdown = Shutdown::on_signals().map_err(Failure::usage)?;
                classify::run(*args, shutdown).await
            })
        }
    }
}

fn on_runtime(program: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Failure::UNAVAILABLE, format!("no runtime: {error}")))?;
    let result = runtime.block_on(program);
    // A read that hangs in the kernel must not keep the program.
    runtime.shutdown_background();
    result
}
