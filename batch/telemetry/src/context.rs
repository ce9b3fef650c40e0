//! The W3C trace context: which trace something belongs to, and which span of it is its parent.

/// The name of the header that carries it.
pub const TRACEPARENT: &str = "traceparent";

/// A span of a trace, possibly of another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: String,
    span_id: String,
}

impl TraceContext {
    /// The span of a whole batch, made of the digest (hex) of its manifest: everybody who knows the batch knows its trace,
    /// whoever publishes its tasks, and whether or not there was a message at all.
    pub fn of_batch(manifest_digest: &str) -> Self {
        let trace_id: String = manifest_digest.chars().take(TRACE_DIGITS).collect();
        let span_id = manifest_digest.chars().skip(TRACE_DIGITS).take(SPAN_DIGITS).collect();
        let context = Self { trace_id, span_id };
        // No SHA-256 has so many zeros, and no other text is a digest.
        if context.is_valid() { context } else { Self::random() }
    }

    /// A new trace.
    pub fn random() -> Self {
        Self { trace_id: random_hex(TRACE_DIGITS), span_id: random_hex(SPAN_DIGITS) }
    }

    /// Another span of the same trace.
    pub fn sibling(&self) -> Self {
        Self { trace_id: self.trace_id.clone(), span_id: random_hex(SPAN_DIGITS) }
    }

    /// Reads the header `traceparent`; none if it is not one. Versions to come may append fields.
    pub fn parse(header: &str) -> Option<Self> {
        let mut fields = header.split('-');
        let version = fields.next().filter(|version| is_hex(version, 2) && *version != "ff")?;
        let (trace_id, span_id) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        let flags = fields.next()?;
        let ends = version != "00" || fields.next().is_none();
        let context = Self { trace_id, span_id };
        (is_hex(flags, 2) && ends && context.is_valid()).then_some(context)
    }

    /// The header `traceparent`.
    pub fn header(&self) -> String {
        format!("00-{}-{}-01", self.trace_id, self.span_id)
    }

    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// 16 hexadecimal digits.
    pub fn span_id(&self) -> &str {
        &self.span_id
    }

    fn is_valid(&self) -> bool {
        let not_zero = |id: &str| id.bytes().any(|digit| digit != b'0');
        let (trace, span) = (&self.trace_id, &self.span_id);
        is_hex(trace, TRACE_DIGITS) && not_zero(trace) && is_hex(span, SPAN_DIGITS) && not_zero(span)
    }
}

const TRACE_DIGITS: usize = 32;
const SPAN_DIGITS: usize = 16;

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Unique, not secret: the standard library seeds its hashers from the system's generator.
fn random_hex(digits: usize) -> String {
    use std::hash::{BuildHasher, RandomState};
    let mut text = String::new();
    while text.len() < digits {
        text.push_str(&format!("{:016x}", RandomState::new().hash_one(std::time::Instant::now()).max(1)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_trace_and_its_header_reads_back() {
        let digest = "0123456789abcdef".repeat(4);
        let context = TraceContext::of_batch(&digest);
        assert_eq!(context.header(), "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01");
        assert_eq!(TraceContext::parse(&context.header()), Some(context.clone()));
        let sibling = context.sibling();
        assert!(sibling.is_valid() && sibling.trace_id() == context.trace_id() && sibling != context);
        assert!(TraceContext::of_batch("no digest").is_valid());
    }

    #[test]
    fn what_is_no_trace_context_is_none() {
        let good = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(TraceContext::parse(&format!("00-{good}")).is_some());
        assert!(TraceContext::parse(&format!("01-{good}-more")).is_some());
        for bad in [
            String::new(),
            good.to_owned(),
            format!("ff-{good}"),
            format!("00-{good}-more"),
            format!("00-{}", good.to_uppercase()),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned(),
            "00-4bf92f3577b34da6a3ce929d0e0e473ä-00f067aa0ba902b7-01".to_owned(),
        ] {
            assert_eq!(TraceContext::parse(&bad), None, "{bad}");
        }
    }
}
