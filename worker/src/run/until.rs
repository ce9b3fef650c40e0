//! When a worker is done: never, when its batch is finished, or when all that were open at its start are.

use std::time::{Duration, Instant};

use batch::{BatchId, State};
use program::Failure;

use super::batches::{Known, STATE_IS_FRESH};
use super::handler::Handler;
use super::idle::jittered;
use crate::cli::RunArgs;

/// How long a batch that does not exist is waited for: a Job may start before its `enqueue`.
const WAIT_FOR_MANIFEST: Duration = Duration::from_secs(5 * 60);
/// Between two questions to the store at least: by a worker whose last task has just ended.
const SOON: Duration = Duration::from_millis(250);
/// One that has waited for long asks again after this share of it.
const SHARE: u32 = 10;
/// Between two looks at whether there is something to ask.
const POLL: Duration = Duration::from_secs(1);

/// What a worker waits for.
pub(super) enum Goal {
    /// Nothing: it runs until it is told to stop.
    Never,
    /// The end of one batch.
    Batch(BatchId),
    /// The end of every batch that was open at the start.
    All(Vec<BatchId>),
}

impl Goal {
    pub(super) async fn new(args: &RunArgs, handler: &Handler) -> Result<Self, Failure> {
        match (&args.batch, args.until_complete) {
            (_, false) => Ok(Self::Never),
            (Some(batch), true) => Ok(Self::Batch(batch.clone())),
            (None, true) => Ok(Self::All(handler.batches.marked().await?)),
        }
    }

    /// Waits until the goal is reached; an error is the end that the batch came to instead.
    pub(super) async fn reached(&self, handler: &Handler) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            // Thousands that wait for a straggler must not wear the store down, nor those that work.
            let quiet = handler.quiet.lasts().map(|quiet| (quiet / SHARE).clamp(SOON, STATE_IS_FRESH));
            let age = quiet.unwrap_or(STATE_IS_FRESH);
            let done = match self {
                Self::Never => std::future::pending().await,
                Self::Batch(id) => one(handler, id, age, started).await?,
                Self::All(ids) => all(handler, ids, age).await?,
            };
            if done {
                return Ok(());
            }
            let _whichever = tokio::time::timeout(jittered(age.min(POLL)), handler.batches.next_end()).await;
        }
    }
}

async fn one(handler: &Handler, id: &BatchId, age: Duration, started: Instant) -> Result<bool, Failure> {
    match handler.batches.find_within(id, age).await? {
        Known::Open(batch) => match &batch.manifest.queue {
            Some(queue) if queue == handler.batches.queue() => Ok(false),
            // Nothing of it would ever come here.
            Some(queue) => {
                let mine = handler.batches.queue();
                Err(Failure::usage(format!(
                    "the tasks of batch {id} are on queue {queue}, not on {mine}: --queue {queue}"
                )))
            }
            None => Err(Failure::usage(format!("batch {id} was made for one machine and has no tasks on any queue"))),
        },
        Known::Over(State::Finished) => Ok(true),
        Known::Over(_) => Err(Failure::usage(format!("batch {id} was cancelled"))),
        Known::Deleted => {
            handler.batches.unmark(id).await?;
            Err(Failure::usage(format!("batch {id} was deleted")))
        }
        Known::Absent if started.elapsed() >= WAIT_FOR_MANIFEST => {
            let message = format!("batch {id} has no manifest; enqueue it first, or check PIXELMILL_STORE");
            Err(Failure::unavailable(message))
        }
        Known::Absent => Ok(false),
    }
}

async fn all(handler: &Handler, ids: &[BatchId], age: Duration) -> Result<bool, Failure> {
    let mut open = Vec::new();
    for id in ids {
        match handler.batches.find_within(id, age).await? {
            Known::Open(_) => open.push(id),
            Known::Deleted => handler.batches.unmark(id).await?,
            Known::Over(_) | Known::Absent => {}
        }
    }
    let left = handler.left_to_others.lock().await;
    match open.iter().all(|id| left.contains(id)) {
        _ if open.is_empty() => Ok(true),
        true => Err(Failure::usage("none of the open batches has a model that this worker can load; see --model")),
        false => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use batch::{Layout, Manifest, ModelCache, ModelRef, Settings, StoredBatch, TruncationPolicy};
    use store::Store;
    use store::source::Sources;
    use tokio::sync::Mutex;

    use super::*;
    use crate::cli::EngineArgs;
    use crate::run::batches::Batches;
    use crate::run::engines::Engines;

    async fn handler(folder: &std::path::Path) -> Handler {
        let store = Store::open(folder.to_str().unwrap()).await.unwrap();
        let args = EngineArgs { threads: None, max_memory: None };
        let models = ModelCache::new(folder.join("models"), 1, Default::default());
        Handler {
            batches: Batches::new(store.clone(), "images".parse().unwrap()),
            engines: Engines::new(args, Sources::new(Default::default()).unwrap(), models, None),
            store,
            finishing: Default::default(),
            quiet: Default::default(),
            own_batch: None,
            left_to_others: Mutex::default(),
            under_way: Default::default(),
            alone: Default::default(),
            started: jiff::Timestamp::now(),
            threads: 1,
        }
    }

    async fn make(handler: &Handler, name: &str) -> Arc<StoredBatch> {
        let batch: BatchId = name.parse().unwrap();
        let digest = models::Digest::of(b"");
        let settings = Settings {
            model: ModelRef { uri: "builtin".into(), digest, id: "m@e3b0c44298fc".into() },
            top_k: 1,
            max_bytes: 1,
            max_pixels: 1,
            on_truncated: TruncationPolicy::Error,
            image_timeout_s: 1,
            task_timeout_s: 1,
        };
        let manifest = Manifest {
            version: Manifest::VERSION,
            batch: batch.clone(),
            arguments: Vec::new(),
            task_size: 1,
            settings,
            queue: Some("images".parse().unwrap()),
            parent: None,
            etl: None,
            images: Vec::new(),
        };
        let made = StoredBatch::create(&handler.store, Layout::of(&batch), &manifest).await.unwrap();
        made.open_marker().await.unwrap();
        Arc::new(made)
    }

    #[tokio::test]
    async fn a_worker_ends_as_its_batch_does() {
        let folder = tempfile::tempdir().unwrap();
        let handler = handler(folder.path()).await;
        let now = Instant::now();
        let code = async |name: &str, started| match one(&handler, &name.parse().unwrap(), POLL, started).await {
            Ok(done) => i32::from(done) - 2,
            Err(failure) => failure.code.into(),
        };
        let (open, done) = (-2, -1);
        assert_eq!(code("absent", now).await, open);
        let long_ago = now.checked_sub(WAIT_FOR_MANIFEST).expect("a machine that is up for longer");
        assert_eq!(code("absent", long_ago).await, 75);
        make(&handler, "open").await;
        assert_eq!(code("open", long_ago).await, open);
        let finished = make(&handler, "finished").await;
        handler.store.create(&finished.layout().success().unwrap(), "x".into()).await.unwrap();
        assert_eq!(code("finished", now).await, done);
        make(&handler, "cancelled").await.cancel().await.unwrap();
        assert_eq!(code("cancelled", now).await, 64);
        let deleted = Arc::into_inner(make(&handler, "deleted").await).unwrap();
        deleted.delete().await.unwrap();
        assert_eq!(code("deleted", now).await, 64);
        assert_eq!(
            handler.batches.marked().await.unwrap(),
            ["open".parse().unwrap()],
            "markers of what is over are gone"
        );
    }

    #[tokio::test]
    async fn a_batch_of_another_queue_is_refused_at_once_unless_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let handler = handler(folder.path()).await;
        let (open, finished) = (make(&handler, "open").await, make(&handler, "finished").await);
        handler.store.create(&finished.layout().success().unwrap(), "x".into()).await.unwrap();
        let handler = Handler { batches: Batches::new(handler.store.clone(), "other".parse().unwrap()), ..handler };
        let refused = one(&handler, &open.manifest.batch, POLL, Instant::now()).await.unwrap_err();
        assert_eq!(refused.code, 64);
        assert!(refused.message.contains("queue images, not on other"), "{}", refused.message);
        assert!(one(&handler, &finished.manifest.batch, POLL, Instant::now()).await.unwrap());
    }

    #[tokio::test]
    async fn without_a_batch_all_that_were_open_count() {
        let folder = tempfile::tempdir().unwrap();
        let handler = handler(folder.path()).await;
        assert!(all(&handler, &[], STATE_IS_FRESH).await.unwrap());
        let (first, second) = (make(&handler, "first").await, make(&handler, "second").await);
        let ids: Vec<BatchId> = [&first, &second].map(|batch| batch.manifest.batch.clone()).into();
        assert!(!all(&handler, &ids, STATE_IS_FRESH).await.unwrap());
        first.cancel().await.unwrap();
        handler.left_to_others.lock().await.insert(ids[1].clone());
        // The state of the first is believed for some seconds.
        let handler = Handler { batches: Batches::new(handler.store.clone(), "images".parse().unwrap()), ..handler };
        assert_eq!(
            all(&handler, &ids, STATE_IS_FRESH).await.unwrap_err().code,
            64,
            "nothing is left whose model can be loaded"
        );
        second.cancel().await.unwrap();
        let handler = Handler { batches: Batches::new(handler.store.clone(), "images".parse().unwrap()), ..handler };
        assert!(all(&handler, &ids, STATE_IS_FRESH).await.unwrap());
    }
}
