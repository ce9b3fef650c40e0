//! Message headers: our own pass as strings (trace context), the broker's count how often a message came back.

use std::collections::BTreeMap;

use lapin::types::{AMQPValue, FieldTable, LongString};

/// Headers that pass with a message, such as `traceparent` and `tracestate` of the W3C trace context.
pub type Headers = BTreeMap<String, String>;

/// More or longer headers than these are dropped: whoever sent them is no producer of ours.
const MAX_HEADERS: usize = 16;
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 512;

pub(crate) fn to_table(headers: &Headers) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in bounded(headers.iter().map(|(n, v)| (n.as_str(), v.as_str()))) {
        table.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
    }
    table
}

/// The string headers; the broker's own (`x-…`) and everything that is not UTF-8 text are left out.
pub(crate) fn to_strings(table: Option<&FieldTable>) -> Headers {
    let entries = table.into_iter().flat_map(|table| table.inner());
    let strings = entries.filter_map(|(name, value)| Some((name.as_str(), text(value)?)));
    let own = strings.filter(|(name, _)| !name.starts_with("x-"));
    bounded(own).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// How often the broker had handed the message out before: RabbitMQ ≥ 4.3 counts a `nack` only as an acquisition,
/// older versions know deliveries only.
pub(crate) fn attempts(table: Option<&FieldTable>) -> u32 {
    let count = |name: &str| table.and_then(|table| table.inner().get(name)).and_then(integer).unwrap_or(0);
    let most = count("x-acquired-count").max(count("x-delivery-count"));
    u32::try_from(most.max(0)).unwrap_or(u32::MAX)
}

fn bounded<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> impl Iterator<Item = (&'a str, &'a str)> {
    headers.filter(|(name, value)| name.len() <= MAX_NAME && value.len() <= MAX_VALUE).take(MAX_HEADERS)
}

fn text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

fn integer(value: &AMQPValue) -> Option<i64> {
    Some(match *value {
        AMQPValue::ShortShortInt(n) => n.into(),
        AMQPValue::ShortShortUInt(n) => n.into(),
        AMQPValue::ShortInt(n) => n.into(),
        AMQPValue::ShortUInt(n) => n.into(),
        AMQPValue::LongInt(n) => n.into(),
        AMQPValue::LongUInt(n) => n.into(),
        AMQPValue::LongLongInt(n) => n,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_context_survives_and_foreign_values_do_not() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let sent = Headers::from([("traceparent".into(), trace.into()), ("huge".into(), "x".repeat(600))]);
        let mut table = to_table(&sent);
        table.insert("x-death".into(), AMQPValue::LongString("once".into()));
        table.insert("number".into(), AMQPValue::LongInt(1));
        table.insert("binary".into(), AMQPValue::LongString(LongString::from(b"\xff\xfe".as_slice())));
        assert_eq!(to_strings(Some(&table)), Headers::from([("traceparent".into(), trace.into())]));
        assert_eq!(to_strings(None), Headers::new());
    }

    #[test]
    fn attempts_are_the_larger_count_whatever_its_type() {
        let mut table = FieldTable::default();
        assert_eq!(attempts(Some(&table)), 0);
        table.insert("x-delivery-count".into(), AMQPValue::LongLongInt(2));
        assert_eq!(attempts(Some(&table)), 2);
        table.insert("x-acquired-count".into(), AMQPValue::ShortShortUInt(5));
        assert_eq!(attempts(Some(&table)), 5);
        table.insert("x-acquired-count".into(), AMQPValue::LongLongInt(-7));
        table.insert("x-delivery-count".into(), AMQPValue::LongString("9".into()));
        assert_eq!(attempts(Some(&table)), 0);
    }
}
