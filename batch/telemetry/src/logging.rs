//! Logs to stderr: for people on a terminal, JSON otherwise. `PIXELMILL_LOG` sets the level (`info`, `worker=debug`, …).

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::json_lines::JsonLines;
use crate::otlp::Exporter;

/// What was started; [`Telemetry::finish`] it before the program ends.
pub struct Telemetry(Option<Exporter>);

/// Starts logging at `default_level` unless `PIXELMILL_LOG` says otherwise, and exporting spans where the `OTEL_*` variables say
/// so, in the name of `program`.
pub fn start(program: &str, default_level: &str) -> Telemetry {
    let wanted = std::env::var("PIXELMILL_LOG").unwrap_or_default();
    let level = EnvFilter::try_new(without_lapin(&wanted)).ok().filter(|_| !wanted.is_empty());
    let level = level.unwrap_or_else(|| EnvFilter::new(without_lapin(default_level)));
    // Spans say what a line is about, whatever the level of the lines is.
    let filter = filter_fn(|metadata| metadata.is_span() && is_ours(metadata)).or(level);
    let lines = if std::io::stderr().is_terminal() {
        fmt::layer().with_writer(std::io::stderr).with_target(false).compact().with_filter(filter).boxed()
    } else {
        let lines = fmt::layer().with_writer(std::io::stderr).fmt_fields(JsonFields::new());
        lines.event_format(JsonLines).with_filter(filter).boxed()
    };
    let (exporter, spans, wrong) = match Exporter::from_environment(program) {
        Ok(Some((exporter, spans))) => (Some(exporter), Some(spans), None),
        Ok(None) => (None, None, None),
        Err(wrong) => (None, None, Some(wrong)),
    };
    // A second start, in tests that share a process, changes nothing.
    let spans = spans.map(|spans| spans.with_filter(filter_fn(is_ours)));
    let _started_before = Registry::default().with(lines).with(spans).try_init();
    if let Some(wrong) = wrong {
        tracing::error!("spans are not exported: {wrong}");
    }
    Telemetry(exporter)
}

/// `level`, with lapin silent unless it is named: it logs the end of a connection as an error, whoever asked for it, and
/// what is one our supervisor reports.
fn without_lapin(level: &str) -> String {
    if level.contains("lapin") { level.to_owned() } else { format!("{level},lapin=off") }
}

/// Our own spans and events; those of libraries are about themselves.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    const OURS: [&str; 6] = ["worker", "producer", "batch", "store", "queue", "telemetry"];
    let root = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO && OURS.contains(&root)
}

impl Telemetry {
    /// Sends what is left, for a few seconds at most.
    pub fn finish(self) {
        if let Some(exporter) = self.0 {
            exporter.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without_lapin;

    #[test]
    fn lapin_is_silent_unless_it_is_named() {
        assert_eq!(without_lapin("info"), "info,lapin=off");
        assert_eq!(without_lapin("info,producer=warn"), "info,producer=warn,lapin=off");
        assert_eq!(without_lapin("warn,lapin=debug"), "warn,lapin=debug");
    }
}
