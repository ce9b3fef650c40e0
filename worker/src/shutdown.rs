//! The end asked for from outside: SIGTERM, or Ctrl-C.

use program::Failure;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells everyone who holds a copy that the program is to end, and with which exit code.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Option<u8>>);

impl Shutdown {
    /// Listens to SIGTERM and SIGINT from now on. Must be called on the runtime.
    pub fn on_signals() -> std::io::Result<Self> {
        let (asked, shutdown) = watch::channel(None);
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(async move {
            let code = tokio::select! {
                _ = terminate.recv() => Failure::TERMINATED,
                _ = interrupt.recv() => Failure::INTERRUPTED,
            };
            let _nobody_listens = asked.send(Some(code));
            // A second Ctrl-C of an impatient person ends the program the default way.
            interrupt.recv().await;
            std::process::exit(i32::from(Failure::INTERRUPTED));
        });
        Ok(Self(shutdown))
    }

    /// Waits until the end is asked for; gives the exit code.
    pub async fn asked(&mut self) -> u8 {
        match self.0.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(Failure::TERMINATED),
            Err(_) => std::future::pending().await,
        }
    }
}
