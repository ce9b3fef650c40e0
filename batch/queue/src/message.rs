//! The message of one task. It only names the task; what the task is comes from the store.

use serde::{Deserialize, Serialize};

/// A message longer than this is not ours.
pub const MAX_MESSAGE: usize = 1024;

const VERSION: u64 = 1;
const MAX_BATCH: usize = 50;
const DIGEST: usize = 64;

/// Names task `task` of batch `batch`, as the manifest with the SHA-256 `manifest` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskMessage {
    batch: String,
    task: u64,
    manifest: String,
    isolated: bool,
}

/// Why bytes are no message of ours. The texts never quote the bytes, which may be hostile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than [`MAX_MESSAGE`].
    #[error("message of {0} bytes, at most {MAX_MESSAGE} are allowed")]
    TooLarge(usize),
    /// Not JSON, or JSON that is not an object with a version.
    #[error("not a task message (line {line}, column {column})")]
    NotATask {
        /// Where parsing stopped, from 1.
        line: usize,
        /// Where parsing stopped, from 1.
        column: usize,
    },
    /// Written by another version of the programs.
    #[error("task message of version {0}, this program knows version {VERSION}")]
    UnknownVersion(u64),
    /// A field is missing, unknown or of another type.
    #[error(
        "fields of version {VERSION} are `batch`, `task`, `manifest` and `isolated` (line {line}, column {column})"
    )]
    Fields {
        /// Where parsing stopped, from 1.
        line: usize,
        /// Where parsing stopped, from 1.
        column: usize,
    },
    /// Not `[a-z0-9-]{1,50}`.
    #[error("`batch` is not 1 to {MAX_BATCH} characters of a-z, 0-9 and -")]
    BatchId,
    /// Not a SHA-256 in lower-case hex.
    #[error("`manifest` is not a SHA-256 digest of {DIGEST} lower-case hex digits")]
    Digest,
}

#[derive(Deserialize)]
struct AnyVersion {
    v: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version1<'a> {
    v: u64,
    batch: std::borrow::Cow<'a, str>,
    task: u64,
    manifest: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    isolated: bool,
}

impl TaskMessage {
    /// The message of task `task`; `manifest` is the manifest's SHA-256 in lower-case hex.
    ///
    /// # Errors
    /// When the id or the digest is malformed.
    pub fn new(batch: &str, task: u64, manifest: &str) -> Result<TaskMessage, MessageError> {
        let id = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if batch.is_empty() || batch.len() > MAX_BATCH || !batch.bytes().all(id) {
            return Err(MessageError::BatchId);
        }
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if manifest.len() != DIGEST || !manifest.bytes().all(hex) {
            return Err(MessageError::Digest);
        }
        Ok(TaskMessage { batch: batch.to_owned(), task, manifest: manifest.to_owned(), isolated: false })
    }

    /// The same task, to be worked on image by image in an isolated child.
    pub fn isolated(mut self) -> TaskMessage {
        self.isolated = true;
        self
    }

    /// The batch id, `[a-z0-9-]{1,50}`.
    pub fn batch(&self) -> &str {
        &self.batch
    }

    /// The index of the task in its batch, from 0; whether it exists only the manifest knows.
    pub fn task(&self) -> u64 {
        self.task
    }

    /// The SHA-256 of the manifest that the sender knew, in lower-case hex.
    pub fn manifest(&self) -> &str {
        &self.manifest
    }

    /// Whether the sender asks for isolated work.
    pub fn is_isolated(&self) -> bool {
        self.isolated
    }

    /// The message as JSON, shorter than [`MAX_MESSAGE`].
    pub fn encode(&self) -> Vec<u8> {
        let TaskMessage { batch, task, manifest, isolated } = self;
        let (batch, manifest) = (batch.into(), manifest.into());
        let message = Version1 { v: VERSION, batch, task: *task, manifest, isolated: *isolated };
        serde_json::to_vec(&message).expect("strings and integers always serialise")
    }

    /// Reads what [`TaskMessage::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// With the reason, for any other bytes; never panics.
    pub fn parse(bytes: &[u8]) -> Result<TaskMessage, MessageError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(MessageError::TooLarge(bytes.len()));
        }
        // Serde would take the fields of an array in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(MessageError::NotATask { line: 1, column: 1 });
        }
        let place = |e: serde_json::Error| (e.line(), e.column());
        let AnyVersion { v } = serde_json::from_slice(bytes).map_err(|e| {
            let (line, column) = place(e);
            MessageError::NotATask { line, column }
        })?;
        if v != VERSION {
            return Err(MessageError::UnknownVersion(v));
        }
        let message: Version1<'_> = serde_json::from_slice(bytes).map_err(|e| {
            let (line, column) = place(e);
            MessageError::Fields { line, column }
        })?;
        let task = TaskMessage::new(&message.batch, message.task, &message.manifest)?;
        Ok(TaskMessage { isolated: message.isolated, ..task })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST_A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn what_is_written_is_read() {
        let longest = TaskMessage::new(&"b".repeat(50), u64::MAX, DIGEST_A).unwrap().isolated();
        for message in [TaskMessage::new("a", 0, DIGEST_A).unwrap(), longest] {
            let bytes = message.encode();
            assert!(bytes.len() <= MAX_MESSAGE);
            assert_eq!(TaskMessage::parse(&bytes), Ok(message));
        }
    }

    #[test]
    fn the_format_is_stable() {
        let message = TaskMessage::new("photos-1", 7, DIGEST_A).unwrap();
        let json = format!(r#"{{"v":1,"batch":"photos-1","task":7,"manifest":"{DIGEST_A}"}}"#);
        assert_eq!(String::from_utf8(message.encode()).unwrap(), json);
    }

    #[test]
    fn each_fault_has_its_kind() {
        let with = |batch: &str, task: &str, digest: &str, more: &str| {
            format!(r#"{{"v":1,"batch":"{batch}","task":{task},"manifest":"{digest}"{more}}}"#).into_bytes()
        };
        let kind = |bytes: &[u8]| TaskMessage::parse(bytes).unwrap_err();
        assert!(matches!(kind(b""), MessageError::NotATask { .. }));
        assert!(matches!(kind(b"[1]"), MessageError::NotATask { .. }));
        let array = format!(r#"[1,"b",1,"{DIGEST_A}",false]"#);
        assert!(matches!(kind(array.as_bytes()), MessageError::NotATask { .. }));
        assert!(matches!(kind(b"\xff\xfe{}"), MessageError::NotATask { .. }));
        assert!(matches!(kind(br#"{"v":-1}"#), MessageError::NotATask { .. }));
        assert_eq!(kind(&[b' '; 1025]), MessageError::TooLarge(1025));
        assert_eq!(kind(br#"{"v":2,"shards":[]}"#), MessageError::UnknownVersion(2));
        assert!(matches!(kind(&with("b", "-1", DIGEST_A, "")), MessageError::Fields { .. }));
        assert!(matches!(kind(&with("b", "1e3", DIGEST_A, "")), MessageError::Fields { .. }));
        assert!(matches!(kind(&with("b", "1", DIGEST_A, r#","uri":"s3://b/k""#)), MessageError::Fields { .. }));
        assert!(matches!(kind(&with("b", "1", DIGEST_A, r#","task":2"#)), MessageError::Fields { .. }));
        assert!(matches!(kind(&with("b", "1", DIGEST_A, "}x")), MessageError::NotATask { .. }));
        for id in ["", "../../etc", "B", "a/b", "a.b", "ä", &"b".repeat(51), r"a\u0000"] {
            assert_eq!(kind(&with(id, "1", DIGEST_A, "")), MessageError::BatchId, "{id}");
        }
        for digest in ["", "ab", &DIGEST_A.to_uppercase(), &"g".repeat(64)] {
            assert_eq!(kind(&with("b", "1", digest, "")), MessageError::Digest, "{digest}");
        }
    }

    #[test]
    fn hostile_bytes_are_refused_without_a_panic_and_not_quoted() {
        let good = TaskMessage::new("photos", 3, DIGEST_A).unwrap().encode();
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for round in 0..200 {
            let mut bytes = good.clone();
            for _ in 0..=round % 8 {
                let at = random() as usize % bytes.len();
                match random() % 3 {
                    0 => bytes[at] = random() as u8,
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes.splice(at..at, b"{[\"\\".repeat(1 + round)).for_each(drop),
                }
            }
            if let Ok(message) = TaskMessage::parse(&bytes) {
                assert_eq!(TaskMessage::new(message.batch(), message.task(), message.manifest()).err(), None);
            }
        }
        let nested = [b"{\"v\":".as_slice(), &b"[".repeat(900)].concat();
        assert!(matches!(TaskMessage::parse(&nested), Err(MessageError::NotATask { .. })));
        let error = TaskMessage::parse(br#"{"v":1,"EVIL":1}"#).unwrap_err();
        assert!(!error.to_string().contains("EVIL"));
    }
}
