//! Spans as the JSON of an `ExportTraceServiceRequest`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::spans::SpanData;

/// `SPAN_KIND_INTERNAL`, and `STATUS_CODE_ERROR`.
const INTERNAL: u8 = 1;
const ERROR: u8 = 2;

/// The body of one request.
pub(super) fn request(resource: &[(String, String)], spans: &[SpanData]) -> Value {
    let attribute = |(name, value): &(String, String)| json!({ "key": name, "value": { "stringValue": value } });
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource.iter().map(attribute).collect::<Vec<_>>() },
        "scopeSpans": [{
            "scope": { "name": "pixelmill", "version": env!("CARGO_PKG_VERSION") },
            "spans": spans.iter().map(span).collect::<Vec<_>>(),
        }],
    }] })
}

fn span(data: &SpanData) -> Value {
    let attribute = |(name, value): &(&str, Value)| json!({ "key": name, "value": value });
    // The ids are the span's own already.
    let attributes = data.attributes.iter().filter(|(name, _)| *name != "trace_id");
    let mut span = json!({
        "traceId": data.own.trace_id(),
        "spanId": data.own.span_id(),
        "name": data.name,
        "kind": INTERNAL,
        "startTimeUnixNano": nanoseconds(data.started),
        "endTimeUnixNano": nanoseconds(data.ended),
        "attributes": attributes.map(attribute).collect::<Vec<_>>(),
    });
    if let Some(parent) = &data.parent {
        span["parentSpanId"] = json!(parent);
    }
    if let Some(error) = &data.error {
        span["status"] = json!({ "code": ERROR, "message": error });
    }
    span
}

fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}
