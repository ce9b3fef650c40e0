//! Work on one task: fetch its images, have the engine classify them, put the rows in order.

use batch::{ErrorCode, ImageRef, Outcome, Part, Settings};
use futures::future::try_join_all;
use store::source::{Code, FetchError, Sources};
use tokio::sync::Semaphore;

use crate::engine::{Engine, EngineError};

/// Images fetched before an engine thread is free for them, per thread: enough to hide the latency of a store.
const FETCHED_AHEAD: usize = 4;

/// Turns tasks into parts.
pub struct TaskWorker {
    engine: Engine,
    sources: Sources,
    settings: Settings,
    /// Bounds the images in memory. Fair, so that tasks are done in the order in which they are begun.
    under_way: Semaphore,
}

impl TaskWorker {
    /// A worker whose `engine` was started with `settings`.
    pub fn new(engine: Engine, sources: Sources, settings: Settings, threads: usize) -> Self {
        let under_way = Semaphore::new(engine.window() + FETCHED_AHEAD * threads);
        Self { engine, sources, settings, under_way }
    }

    /// The part of a task: one row per image, in order.
    pub async fn part(&self, images: &[ImageRef]) -> Result<Part, EngineError> {
        let rows = images.iter().map(async |image| {
            let outcome = self.outcome(image).await?;
            Ok::<_, EngineError>(outcome.into_row(image, &self.settings.model.id))
        });
        Ok(Part { rows: try_join_all(rows).await? })
    }

    /// A small JPEG of an image; empty if there is none to be had.
    pub async fn thumbnail(&self, image: &ImageRef) -> Vec<u8> {
        match self.fetch(image).await {
            Ok(file) => self.engine.thumbnail(file).await,
            Err(_) => Vec::new(),
        }
    }

    /// Ends the engine and waits for it.
    pub async fn stop(self) {
        self.engine.stop().await;
    }

    async fn outcome(&self, image: &ImageRef) -> Result<Outcome, EngineError> {
        let _permit = self.under_way.acquire().await;
        match self.fetch(image).await {
            Ok(file) => self.engine.classify(file).await,
            Err(error) => Ok(Outcome::failed(code(&error), error.to_string())),
        }
    }

    async fn fetch(&self, image: &ImageRef) -> Result<bytes::Bytes, FetchError> {
        self.sources.fetch(&image.uri, image.etag.as_deref(), self.settings.max_bytes).await
    }
}

fn code(error: &FetchError) -> ErrorCode {
    match error.code() {
        Code::NotFound => ErrorCode::NotFound,
        Code::Denied => ErrorCode::Denied,
        Code::Changed => ErrorCode::Changed,
        Code::TooLarge => ErrorCode::TooLarge,
        Code::FetchFailed => ErrorCode::FetchFailed,
    }
}
