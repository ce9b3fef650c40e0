//! Logs to stderr: for people on a terminal, JSON otherwise. `PIXELMILL_LOG` sets the level (`info`, `worker=debug`, …).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging at `level` unless `PIXELMILL_LOG` says otherwise.
pub fn start_with(level: &str) {
    let filter = EnvFilter::try_from_env("PIXELMILL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start, in tests that share a process, changes nothing.
    let _started_before = if std::io::stderr().is_terminal() {
        builder.with_target(false).compact().try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}
