//! The end asked for from outside. Every step of every command is safe to be cut off, so the program just ends; it
//! listens only because a container's first process would otherwise ignore SIGTERM.

use program::Failure;
use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or Ctrl-C; gives the exit code. Must be called on the runtime.
pub async fn asked() -> std::io::Result<u8> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok(Failure::TERMINATED),
        _ = interrupt.recv() => Ok(Failure::INTERRUPTED),
    }
}
