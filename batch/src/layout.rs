//! Where the objects of a batch, and of a pipeline, lie in their store.

use store::{Key, StoreError};

use crate::ids::{BatchId, EtlName, QueueName};

/// The keys of one batch; of a pipeline, which has image files too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What stands before every key: `batches/<batch>/`, or nothing where a folder holds a single batch.
    prefix: String,
}

impl Layout {
    /// A batch of a store that holds many.
    pub fn of(batch: &BatchId) -> Self {
        Self { prefix: format!("batches/{batch}/") }
    }

    /// A pipeline: its runs, the images of each, and its ledger.
    pub fn of_etl(name: &EtlName) -> Self {
        Self { prefix: format!("etl/{name}/") }
    }

    /// The only batch of its store.
    pub fn alone() -> Self {
        Self { prefix: String::new() }
    }

    /// What the names of all objects of the batch begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the names of all parts begin with.
    pub fn parts(&self) -> String {
        format!("{}parts/", self.prefix)
    }

    /// What the names of all notes begin with.
    pub fn aside(&self) -> String {
        format!("{}aside/", self.prefix)
    }

    /// `manifest.json`.
    pub fn manifest(&self) -> Result<Key, StoreError> {
        self.key("manifest.json")
    }

    /// An image file, by the name that the manifest gives it (`images/<sha256>.jsonl`).
    pub fn images(&self, file: &str) -> Result<Key, StoreError> {
        self.key(file)
    }

    /// The part of a task.
    pub fn part(&self, task: u64) -> Result<Key, StoreError> {
        self.key(&format!("parts/{task:08}.jsonl"))
    }

    /// The task that a key is the part of; other names are ignored.
    pub fn task_of_part(&self, key: &str) -> Option<u64> {
        let digits = key.strip_prefix(&self.parts())?.strip_suffix(".jsonl")?;
        let canonical = |task: &u64| format!("{task:08}") == digits;
        digits.parse().ok().filter(canonical)
    }

    /// A note that a worker leaves.
    pub fn note(&self, name: &str) -> Result<Key, StoreError> {
        self.key(&format!("aside/{name}"))
    }

    /// A run of a pipeline.
    pub fn etl_run(&self, run: u64) -> Result<Key, StoreError> {
        self.key(&format!("runs/{run:08}.json"))
    }

    /// The run of a pipeline that a key is; other names are ignored.
    pub fn run_of_key(&self, key: &str) -> Option<u64> {
        let digits = key.strip_prefix(&self.prefix)?.strip_prefix("runs/")?.strip_suffix(".json")?;
        digits.parse().ok().filter(|run: &u64| format!("{run:08}") == digits)
    }

    /// What a pipeline knows of a batch id that one of its runs named.
    pub fn etl_batch(&self, batch: &BatchId) -> Result<Key, StoreError> {
        self.key(&format!("batches/{batch}.json"))
    }

    /// The `file`-th Parquet file.
    pub fn results(&self, file: u64) -> Result<Key, StoreError> {
        self.key(&format!("results-{file:05}.parquet"))
    }

    /// `summary.json`.
    pub fn summary(&self) -> Result<Key, StoreError> {
        self.key("summary.json")
    }

    /// `run.json`.
    pub fn run(&self) -> Result<Key, StoreError> {
        self.key("run.json")
    }

    /// `report.html`.
    pub fn report(&self) -> Result<Key, StoreError> {
        self.key("report.html")
    }

    /// `_SUCCESS`: the batch is finished.
    pub fn success(&self) -> Result<Key, StoreError> {
        self.key("_SUCCESS")
    }

    /// `_CANCELLED`: the batch was given up.
    pub fn cancelled(&self) -> Result<Key, StoreError> {
        self.key("_CANCELLED")
    }

    /// The marker of an unfinished batch of `queue`.
    pub fn marker(queue: &QueueName, batch: &BatchId) -> Result<Key, StoreError> {
        Key::new(format!("{}{batch}", Self::markers(queue)))
    }

    /// What the names of all markers of `queue` begin with.
    pub fn markers(queue: &QueueName) -> String {
        format!("queues/{queue}/open/")
    }

    fn key(&self, name: &str) -> Result<Key, StoreError> {
        Key::new(format!("{}{name}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_task_and_other_names_ignored() {
        let layout = Layout::of(&"b".parse().unwrap());
        for task in [0, 7, 99_999_999, 123_456_789_012] {
            let key = layout.part(task).unwrap();
            assert_eq!(layout.task_of_part(key.as_str()), Some(task));
        }
        for other in ["7.jsonl", "00000007.json", "+0000007.jsonl", "000000007.jsonl", "x/00000007.jsonl", ".tmp"] {
            assert_eq!(layout.task_of_part(&format!("batches/b/parts/{other}")), None, "{other}");
        }
    }
}
