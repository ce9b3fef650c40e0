//! One JSON object a line: time, level, message, then the fields of the spans around it and its own, all at the top.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats events as described above. The fields of spans must be formatted as JSON.
pub(crate) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<N>>().map_or("", |fields| &fields.fields);
            if let Ok(Value::Object(of_span)) = serde_json::from_str(formatted) {
                fields.extend(of_span);
            }
        }
        let mut own = Fields(fields);
        event.record(&mut own);
        let Fields(mut fields) = own;
        let message = fields.remove("message").unwrap_or_default();
        let metadata = event.metadata();
        write!(writer, "{{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        let (level, target) = (metadata.level(), Value::from(metadata.target()));
        write!(writer, "\",\"level\":\"{level}\",\"message\":{message},\"target\":{target}")?;
        for (name, value) in fields {
            write!(writer, ",{}:{value}", Value::from(name))?;
        }
        writeln!(writer, "}}")
    }
}

/// Collects the fields of an event.
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        // What the event itself says is on top of what its spans say; `log.…` fields repeat what is there.
        if !field.name().starts_with("log.") {
            self.0.insert(field.name().to_owned(), value.into());
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Sink {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn the_fields_of_all_spans_stand_at_the_top_of_a_line() {
        let sink = Sink::default();
        let lines = tracing_subscriber::fmt().fmt_fields(JsonFields::new()).event_format(JsonLines);
        tracing::subscriber::with_default(lines.with_writer(sink.clone()).finish(), || {
            let task = tracing::info_span!("task", batch = "b", task = 7_u64, trace_id = tracing::field::Empty);
            task.record("trace_id", "4bf9");
            let _task = task.entered();
            let _image = tracing::info_span!("image", image = %"s3://p/\"quoted\".jpg").entered();
            tracing::warn!(attempt = 2, task = 8, ratio = 0.5, "say \"why\"\n");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("{\"timestamp\":\""), "{text}");
        let line: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "level": "WARN", "message": "say \"why\"\n", "target": "telemetry::json_lines::tests",
            "batch": "b", "task": 8, "trace_id": "4bf9", "image": "s3://p/\"quoted\".jpg", "attempt": 2, "ratio": 0.5,
            "timestamp": line["timestamp"],
        });
        assert_eq!(Value::Object(line), expected);
    }
}
