#![doc = include_str!("../README.md")]

mod failure;
mod variables;

use std::process::ExitCode;

pub use failure::Failure;

/// Threads of the runtime. It only waits and copies; one must be free for heartbeats whatever the other does.
const RUNTIME_THREADS: usize = 2;

/// The whole program `name`: parses the command line, runs it, says why it failed, and gives the exit code.
pub fn main<C: clap::Parser>(name: &str, run: impl FnOnce(C) -> Result<(), Failure>) -> ExitCode {
    match C::try_parse() {
        Ok(cli) => match run(cli) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(name),
        },
        Err(error) => {
            let error = variables::named(error, C::command());
            let _closed_terminal = error.print();
            if error.use_stderr() {
                telemetry::last_words(&error.to_string());
                return ExitCode::from(Failure::USAGE);
            }
            ExitCode::SUCCESS // of `--help` and `--version`
        }
    }
}

/// Runs `work` to its end on a runtime of its own. What is as grave as `level`, or graver, is logged unless told otherwise.
pub fn block_on(name: &str, level: &str, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let telemetry = telemetry::start(name, level);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::unavailable(format!("no runtime: {error}")))?;
    let result = runtime.block_on(work);
    // A read that hangs in the kernel must not keep the program.
    runtime.shutdown_background();
    telemetry.finish();
    result
}
