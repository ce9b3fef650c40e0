//! One engine per model and settings, started when the first task needs it.

use std::sync::Arc;

use batch::{FoundModel, ModelCache, ModelError, Origin, Settings};
use store::source::Sources;
use tokio::sync::{Mutex, OnceCell};

use crate::cli::EngineArgs;
use crate::engine::{Engine, EngineConfig, EngineError, PackageSource};
use crate::observe::{ModelPlace, health, metrics};
use crate::task::{TaskWorker, Transient};

/// Engines kept at a time: batches of two models can be interleaved without loading either again and again.
const MOST_ENGINES: usize = 2;

/// Where an engine is, or will be once it has started.
type Place = Arc<OnceCell<Arc<TaskWorker>>>;

/// Starts and keeps engines.
pub(super) struct Engines {
    args: EngineArgs,
    sources: Sources,
    models: ModelCache,
    /// A package that stands in for one of the same digest elsewhere.
    stand_in: Option<String>,
    running: Mutex<Vec<(Settings, Place)>>,
}

impl Engines {
    pub(super) fn new(args: EngineArgs, sources: Sources, models: ModelCache, stand_in: Option<String>) -> Self {
        Self { args, sources, models, stand_in, running: Mutex::default() }
    }

    /// The engine for these settings. [`EngineError::Model`] if this worker cannot load the model. While one engine starts
    /// (its model may be large and far away), the others go on.
    pub(super) async fn get(&self, settings: &Settings) -> Result<Arc<TaskWorker>, EngineError> {
        let place = self.place(settings).await;
        let started = place.get_or_try_init(|| self.start(settings)).await;
        started.map(Arc::clone)
    }

    /// An engine that has ended with an error is started anew for the next task.
    pub(super) async fn forget(&self, settings: &Settings) {
        self.running.lock().await.retain(|(known, _)| known != settings);
    }

    /// Where the engine for these settings is, or will be; the one that was not needed for the longest time makes room.
    async fn place(&self, settings: &Settings) -> Place {
        let mut running = self.running.lock().await;
        let place = match running.iter().position(|(known, _)| known == settings) {
            Some(at) => running.remove(at).1,
            None => Arc::default(),
        };
        if running.len() == MOST_ENGINES {
            running.remove(0);
        }
        running.push((settings.clone(), Arc::clone(&place)));
        place
    }

    async fn start(&self, settings: &Settings) -> Result<Arc<TaskWorker>, EngineError> {
        let started = self.try_start(settings).await;
        health().engine(started.as_ref().map(drop).map_err(ToString::to_string));
        started
    }

    async fn try_start(&self, settings: &Settings) -> Result<Arc<TaskWorker>, EngineError> {
        let model = self.model(settings).await?;
        let package = PackageSource::from(model.directory.clone());
        let (threads, memory) = (self.args.threads(), self.args.max_memory);
        let config = EngineConfig::new(package, settings.clone(), threads, memory);
        let engine = Engine::start(config).await?;
        tracing::info!(model = settings.model.id, from = ?model.origin, threads, "the engine is ready");
        let worker = TaskWorker::new(engine, self.sources.clone(), settings.clone(), threads);
        Ok(Arc::new(worker.with_transient(Transient::HandBack).with_lease(model.lease)))
    }

    /// The very package that the manifest names, from wherever it is nearest.
    async fn model(&self, settings: &Settings) -> Result<FoundModel, EngineError> {
        let named = &settings.model.uri;
        let mut places: Vec<&str> = vec!["builtin"];
        places.extend(self.stand_in.as_deref().filter(|place| *place != "builtin"));
        places.extend(Some(named.as_str()).filter(|named| !places.contains(named)));
        // What lies on this machine is looked at first; nothing is fetched that need not be.
        places.sort_by_key(|place| place.starts_with("s3://"));
        let (mut reasons, mut may_pass) = (Vec::new(), false);
        for place in places {
            match self.models.find_wanted(place, settings.model.digest).await {
                Ok(found) => {
                    metrics().model(match found.origin {
                        Origin::Builtin => ModelPlace::Builtin,
                        Origin::Directory => ModelPlace::Directory,
                        Origin::Cache => ModelPlace::Cache,
                        Origin::Store => ModelPlace::Store,
                    });
                    if matches!(found.origin, Origin::Cache | Origin::Store)
                        && let Ok(bytes) = self.models.bytes().await
                    {
                        metrics().model_cache_bytes.set(bytes.try_into().unwrap_or(i64::MAX));
                    }
                    return Ok(found);
                }
                // That the built-in model is another one is no news.
                Err(ModelError::Other { .. }) if place == "builtin" => {}
                Err(error) => {
                    may_pass |= error.is_retryable();
                    reasons.push(error.to_string());
                }
            }
        }
        metrics().model(ModelPlace::Nowhere);
        let reasons = if reasons.is_empty() { "it is another build's built-in one".into() } else { reasons.join("; ") };
        let reason = format!("the model {} of {named} is not here: {reasons}", settings.model.id);
        match may_pass {
            true => Err(EngineError::Unavailable(reason)),
            false => Err(EngineError::Model(format!("{reason}; give the package with --model"))),
        }
    }
}
