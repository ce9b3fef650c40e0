//! Exporting spans over OTLP/HTTP with JSON, as the OpenTelemetry protocol 1.x describes it.

mod encode;
mod sender;
mod settings;
mod spans;

use sender::Sender;
use settings::Settings;

pub use spans::{adopt, follow};

use spans::Spans;

/// Sends the spans of this process to a collector, from a thread of its own.
pub(crate) struct Exporter(Sender);

impl Exporter {
    /// The exporter that the `OTEL_*` variables ask for, with the layer that feeds it; none if they ask for none.
    ///
    /// # Errors
    /// What is wrong with the variables.
    pub(crate) fn from_environment(program: &str) -> Result<Option<(Self, Spans)>, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let Some(settings) = Settings::read(program, variable)? else { return Ok(None) };
        let sender = Sender::start(settings)?;
        let spans = Spans::new(sender.clone());
        Ok(Some((Self(sender), spans)))
    }

    /// Sends what is left, for a few seconds at most.
    pub(crate) fn finish(self) {
        self.0.finish();
    }
}
