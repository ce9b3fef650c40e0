//! The layer that turns spans of `tracing` into spans of OTLP when they close.

use std::fmt;
use std::time::SystemTime;

use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};
use tracing_subscriber::{Layer, Registry};

use super::sender::Sender;
use crate::context::TraceContext;

/// A span that has ended, or will.
pub(super) struct SpanData {
    pub(super) name: &'static str,
    pub(super) own: TraceContext,
    pub(super) parent: Option<String>,
    pub(super) started: SystemTime,
    pub(super) ended: SystemTime,
    /// Names and OTLP values.
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// The last error that was logged in it.
    pub(super) error: Option<String>,
}

/// A context that somebody chose for a span, before its first child or its end.
enum Chosen {
    Parent(TraceContext),
    Own(TraceContext),
}

/// The layer.
pub(crate) struct Spans(Sender);

impl Spans {
    pub(super) fn new(sender: Sender) -> Self {
        Self(sender)
    }
}

/// Makes `span` a child of `context`, which may be of another process.
pub fn follow(span: &Span, context: &TraceContext) {
    choose(span, Chosen::Parent(context.clone()));
}

/// Makes `span` the very span that `context` names, so that others can be its children before it ends.
pub fn adopt(span: &Span, context: &TraceContext) {
    choose(span, Chosen::Own(context.clone()));
}

fn choose(span: &Span, chosen: Chosen) {
    span.with_subscriber(|(id, dispatch)| {
        let registry = dispatch.downcast_ref::<Registry>();
        let Some(span) = registry.and_then(|registry| registry.span(id)) else { return };
        let mut extensions = span.extensions_mut();
        let Some(data) = extensions.get_mut::<SpanData>() else { return };
        match chosen {
            Chosen::Parent(parent) => {
                data.own = parent.sibling();
                data.parent = Some(parent.span_id().to_owned());
            }
            Chosen::Own(own) => {
                data.own = own;
                data.parent = None;
            }
        }
    });
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let parent = span.parent().and_then(|parent| own(&parent));
        let mut data = SpanData {
            name: span.metadata().name(),
            own: parent.as_ref().map_or_else(TraceContext::random, TraceContext::sibling),
            parent: parent.map(|parent| parent.span_id().to_owned()),
            started: SystemTime::now(),
            ended: SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            error: None,
        };
        attributes.record(&mut Values(&mut data.attributes));
        span.extensions_mut().insert(data);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(data) = span.extensions_mut().get_mut::<SpanData>() {
            values.record(&mut Values(&mut data.attributes));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if *event.metadata().level() > Level::WARN {
            return;
        }
        let Some(span) = context.event_span(event) else { return };
        if let Some(data) = span.extensions_mut().get_mut::<SpanData>() {
            let mut fields = Vec::new();
            event.record(&mut Values(&mut fields));
            let text = |(name, value): &(&str, Value)| match (*name, value["stringValue"].as_str()) {
                ("message", Some(text)) => text.to_owned(),
                (name, Some(text)) => format!("{name}: {text}"),
                (name, None) => format!("{name}: {value}"),
            };
            data.error = Some(fields.iter().map(text).collect::<Vec<_>>().join("; "));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let data = span.extensions_mut().remove::<SpanData>();
        if let Some(mut data) = data {
            data.ended = SystemTime::now();
            self.0.send(data);
        }
    }
}

fn own<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Option<TraceContext> {
    span.extensions().get::<SpanData>().map(|data| data.own.clone())
}

/// Collects fields as OTLP values.
struct Values<'a>(&'a mut Vec<(&'static str, Value)>);

impl Values<'_> {
    fn set(&mut self, field: &Field, value: Value) {
        match self.0.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, known)) => *known = value,
            None => self.0.push((field.name(), value)),
        }
    }
}

impl Visit for Values<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, json!({ "boolValue": value }));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        // 64-bit integers are strings in the JSON of protobuf.
        self.set(field, json!({ "intValue": value.to_string() }));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, json!({ "intValue": value.to_string() }));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, json!({ "doubleValue": value }));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, json!({ "stringValue": value }));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, json!({ "stringValue": format!("{value:?}") }));
    }
}
