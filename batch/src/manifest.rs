//! The manifest of a batch: its images, and every setting that can change a row. Immutable once stored.

use models::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{BatchId, QueueName};
use crate::images::ImageFile;
use crate::row::ErrorCode;

/// The contents of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1.
    pub version: u32,
    /// The batch's own name.
    pub batch: BatchId,
    /// What the user asked for (the inputs and filters); the same id with other arguments is refused.
    pub arguments: Vec<String>,
    /// Images of a task: task *i* has the images `i·task_size` to `(i + 1)·task_size`.
    pub task_size: u32,
    /// What can change a row.
    pub settings: Settings,
    /// The queue whose workers do the work; none for work on one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// The batch whose good rows are taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The scheduled run that made the batch: the pipeline's name and the number of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etl: Option<(String, u64)>,
    /// The image files, in order.
    pub images: Vec<ImageFile>,
}

/// Everything that can change a row. Workers take it from here, never from their own flags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The model package.
    pub model: ModelRef,
    /// How many labels a row lists.
    pub top_k: u32,
    /// Largest file in bytes.
    pub max_bytes: u64,
    /// Largest image in pixels.
    pub max_pixels: u64,
    /// What becomes of an image that ends too early.
    pub on_truncated: TruncationPolicy,
    /// Seconds of work on one image, fetching not included.
    pub image_timeout_s: u32,
    /// Seconds of work on one task.
    pub task_timeout_s: u32,
}

/// A model package: where it is, and what it must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// `builtin`, a directory or `s3://…`.
    pub uri: String,
    /// The package's digest; another one is refused.
    pub digest: Digest,
    /// `name@digest` as it stands in the rows.
    pub id: String,
}

/// What becomes of an image that ends too early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TruncationPolicy {
    /// It becomes an error row, code `truncated`.
    #[default]
    Error,
    /// What is there of it is classified; the row keeps the code as a warning.
    Warn,
}

/// The batch that a retry starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// Its name.
    pub batch: BatchId,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// Rows with these codes are done again; all others are copied.
    pub codes: Vec<ErrorCode>,
}

/// A stored manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is no manifest.
    #[error("manifest.json cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It was written by another version of pixelmill.
    #[error("manifest.json has version {0}; this program reads version 1: use the version that wrote it")]
    Version(u32),
    /// Its numbers make no sense.
    #[error("manifest.json is wrong: {0}")]
    Invalid(&'static str),
}

/// What the digest of a manifest means for a whole batch needs one byte sequence: this version of the format.
const VERSION: u32 = 1;

impl Manifest {
    /// Version 1 of the format, the only one there is.
    pub const VERSION: u32 = VERSION;

    /// The bytes of `manifest.json`.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Parses and validates the bytes of a `manifest.json`.
    pub fn decode(text: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        match serde_json::from_slice::<Version>(text)?.version {
            VERSION => {}
            other => return Err(ManifestError::Version(other)),
        }
        let manifest: Self = serde_json::from_slice(text)?;
        manifest.validate()?;
        Ok(manifest)
    }

    fn validate(&self) -> Result<(), ManifestError> {
        if self.task_size == 0 || self.settings.top_k == 0 {
            return Err(ManifestError::Invalid("task_size and top_k must be at least 1"));
        }
        if self.settings.image_timeout_s == 0 || self.settings.task_timeout_s == 0 {
            return Err(ManifestError::Invalid("time limits must be at least one second"));
        }
        ImageFile::validate_all(&self.images).map_err(ManifestError::Invalid)
    }

    /// Number of images.
    pub fn image_count(&self) -> u64 {
        self.images.iter().map(|file| file.count).sum()
    }

    /// Number of tasks.
    pub fn task_count(&self) -> u64 {
        self.image_count().div_ceil(u64::from(self.task_size))
    }

    /// The images of task `task`, by their index in the batch; empty past the last task.
    pub fn task_images(&self, task: u64) -> std::ops::Range<u64> {
        let count = self.image_count();
        let start = task.saturating_mul(u64::from(self.task_size)).min(count);
        start..start.saturating_add(u64::from(self.task_size)).min(count)
    }

    /// Whether `other` asks for the same work: everything but the listing of the images is equal. The error names the
    /// first difference.
    pub fn same_request(&self, other: &Self) -> Result<(), String> {
        let (mine, others) = (&self.settings.model, &other.settings.model);
        same("input", &self.arguments, &other.arguments)?;
        if mine.digest != others.digest {
            same("model", &mine.id, &others.id)?;
        }
        same("task size", &self.task_size, &other.task_size)?;
        same("settings", &self.settings, &other.settings)?;
        same("queue", &self.queue, &other.queue)?;
        same("parent", &self.parent, &other.parent)?;
        same("ETL run", &self.etl, &other.etl)
    }
}

/// An error that says what differs, if something does.
fn same<T: Serialize + PartialEq>(what: &str, stored: &T, asked: &T) -> Result<(), String> {
    if stored == asked {
        return Ok(());
    }
    let json = |value: &T| serde_json::to_value(value).unwrap_or_default();
    let (mut what, mut stored, mut asked) = (what.to_owned(), json(stored), json(asked));
    // The innermost field says more than all that lies around it.
    while let (Value::Object(these), Value::Object(those)) = (&mut stored, &mut asked) {
        let Some(key) = these.keys().chain(those.keys()).find(|key| these.get(*key) != those.get(*key)).cloned() else {
            break;
        };
        let inner = [these, those].map(|fields| fields.remove(&key).unwrap_or_default());
        what = key;
        [stored, asked] = inner;
    }
    Err(format!("its {what} is {stored}, not {asked}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A manifest over `count` images in one file.
    pub(crate) fn manifest(count: u64, task_size: u32) -> Manifest {
        let digest = Digest::of(b"");
        Manifest {
            version: VERSION,
            batch: "test".parse().unwrap(),
            arguments: vec!["photos".into()],
            task_size,
            settings: Settings {
                model: ModelRef { uri: "builtin".into(), digest, id: "m@e3b0c44298fc".into() },
                top_k: 5,
                max_bytes: 1 << 20,
                max_pixels: 1 << 20,
                on_truncated: TruncationPolicy::Error,
                image_timeout_s: 10,
                task_timeout_s: 120,
            },
            queue: None,
            parent: None,
            etl: None,
            images: vec![ImageFile { file: format!("images/{digest}.jsonl"), count, bytes: 0, offsets: vec![0] }],
        }
    }

    #[test]
    fn tasks_cover_every_image_once() {
        let manifest = manifest(130, 64);
        assert_eq!(manifest.task_count(), 3);
        let ranges: Vec<_> = (0..4).map(|task| manifest.task_images(task)).collect();
        assert_eq!(ranges, [0..64, 64..128, 128..130, 130..130]);
        assert_eq!(manifest.task_images(u64::MAX), 130..130);
    }

    #[test]
    fn reads_back_and_refuses_other_versions() {
        let manifest = manifest(3, 2);
        assert_eq!(Manifest::decode(&manifest.encode().unwrap()).unwrap(), manifest);
        let newer = Manifest { version: 2, ..manifest };
        assert!(matches!(Manifest::decode(&newer.encode().unwrap()), Err(ManifestError::Version(2))));
        assert!(matches!(Manifest::decode(b"{}"), Err(ManifestError::Malformed(_))));
    }

    #[test]
    fn another_request_is_told_apart_with_its_reason() {
        let stored = manifest(3, 2);
        let relisted = Manifest { images: vec![], ..stored.clone() };
        assert!(stored.same_request(&relisted).is_ok());
        let other = Manifest { arguments: vec!["other".into()], ..stored.clone() };
        assert!(stored.same_request(&other).unwrap_err().contains("input"));
        let mut other = stored.clone();
        other.settings.top_k = 1;
        assert_eq!(stored.same_request(&other).unwrap_err(), format!("its top_k is {}, not 1", stored.settings.top_k));
        let chosen = |codes: &[ErrorCode]| {
            let parent = Parent { batch: stored.batch.clone(), manifest: Digest::of(b""), codes: codes.to_vec() };
            Manifest { parent: Some(parent), ..stored.clone() }
        };
        let (denied, changed) = (chosen(&[ErrorCode::Denied]), chosen(&[ErrorCode::Changed]));
        assert_eq!(denied.same_request(&changed).unwrap_err(), r#"its codes is ["denied"], not ["changed"]"#);
        assert!(stored.same_request(&changed).unwrap_err().starts_with("its parent is null, not {"));
    }

    #[test]
    fn no_damage_makes_a_manifest_that_leads_outside_itself() {
        let good = manifest(130, 64).encode().unwrap();
        // A fixed generator (xorshift), so that a failure comes again.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize % below
        };
        for _ in 0..20_000 {
            let mut damaged = good.clone();
            for _ in 0..1 + random(3) {
                let at = random(damaged.len());
                match random(3) {
                    0 => damaged[at] = random(256) as u8,
                    1 => damaged.truncate(at.max(1)),
                    _ => damaged.insert(at, b"0123456789-eE{}[]\",:"[random(20)]),
                }
            }
            if let Ok(manifest) = Manifest::decode(&damaged) {
                let last = manifest.task_count().saturating_sub(1);
                let images = manifest.task_images(last);
                assert!(images.start <= images.end && images.end == manifest.image_count());
            }
        }
    }
}
