//! The commands, wired to the runtime they need.

use std::process::ExitCode;

use clap::Parser;
use tracing::Instrument;

use crate::cli::{Cli, Command};
use crate::exit::Failure;
use crate::{cancel, delete, enqueue, etl, job, list, reconcile, results, retry, setup, shutdown, status, verify};

/// Threads of the runtime: one must be free for heartbeats whatever the other does.
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
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("producer"),
    }
}

/// Runs a command to its end.
pub fn run(cli: Cli) -> Result<(), Failure> {
    // The AMQP library calls ordinary losses errors; what matters of them is logged by our own code.
    let telemetry = telemetry::start("producer", "warn");
    let span = match cli.command.batch() {
        Some(batch) => tracing::info_span!("command", %batch),
        None => tracing::info_span!("command"),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), command = ?cli.command, "the producer starts");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::unavailable(format!("no runtime: {error}")))?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = command(cli.command).instrument(span) => result,
            code = shutdown::asked() => match code {
                Ok(code) => Err(Failure::new(code, "stopped; the same command can be run again")),
                Err(error) => Err(Failure::unavailable(format!("listening to signals: {error}"))),
            },
        }
    });
    // A read that hangs in the kernel must not keep the program.
    runtime.shutdown_background();
    telemetry.finish();
    match result {
        // Whoever reads our output has seen enough.
        Err(failure) if failure.code == 0 => Ok(()),
        other => other,
    }
}

async fn command(command: Command) -> Result<(), Failure> {
    match command {
        Command::Setup(args) => setup::run(&args).await,
        Command::Enqueue(args) => enqueue::run(&args).await,
        Command::List(args) => list::run(&args).await,
        Command::Status(args) => status::run(&args).await,
        Command::Verify(args) => verify::run(&args).await,
        Command::Results(args) => results::run(&args).await,
        Command::Reconcile(args) => reconcile::run(&args).await,
        Command::Retry(args) => retry::run(&args).await,
        Command::Cancel(args) => cancel::run(&args).await,
        Command::Delete(args) => delete::run(&args).await,
        Command::Etl(args) => etl::run(&args).await,
        Command::Job(args) => job::run(&args),
    }
}
