//! The commands, wired to the runtime they need.

use std::process::ExitCode;

use program::Failure;
use tracing::Instrument;

use crate::cli::{Cli, Command};
use crate::{cancel, delete, enqueue, etl, job, list, reconcile, results, retry, setup, shutdown, status, verify};

/// The whole program: parse, run, exit code.
pub fn main() -> ExitCode {
    program::main("producer", run)
}

fn run(cli: Cli) -> Result<(), Failure> {
    let span = match cli.command.batch() {
        Some(batch) => tracing::info_span!("command", %batch),
        None => tracing::info_span!("command"),
    };
    // The AMQP library calls ordinary losses errors; what matters of them is logged by our own code.
    let result = program::block_on("producer", "warn", async {
        tracing::info!(version = env!("CARGO_PKG_VERSION"), command = ?cli.command, "the producer starts");
        tokio::select! {
            result = command(cli.command).instrument(span) => result,
            code = shutdown::asked() => match code {
                Ok(code) => Err(Failure::new(code, "stopped; the same command can be run again")),
                Err(error) => Err(Failure::unavailable(format!("listening to signals: {error}"))),
            },
        }
    });
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
