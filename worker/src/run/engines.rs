//! One engine per model and settings, started when the first task needs it.

use std::path::PathBuf;
use std::sync::Arc;

use batch::{FoundModel, Settings};
use models::Digest;
use store::source::Sources;
use tokio::sync::Mutex;

use crate::cli::EngineArgs;
use crate::engine::{Engine, EngineConfig, EngineError, PackageSource};
use crate::task::{TaskWorker, Transient};

/// Engines kept at a time: batches of two models can be interleaved without loading either again and again.
const MOST_ENGINES: usize = 2;

/// Starts and keeps engines.
pub(super) struct Engines {
    args: EngineArgs,
    sources: Sources,
    /// A package on this machine that stands in for one of the same digest elsewhere.
    local_model: Option<String>,
    running: Mutex<Vec<(Settings, Arc<TaskWorker>)>>,
}

impl Engines {
    pub(super) fn new(args: EngineArgs, sources: Sources, local_model: Option<String>) -> Self {
        Self { args, sources, local_model, running: Mutex::default() }
    }

    /// The engine for these settings. [`EngineError::Model`] if this worker cannot load the model.
    pub(super) async fn get(&self, settings: &Settings) -> Result<Arc<TaskWorker>, EngineError> {
        let mut running = self.running.lock().await;
        if let Some(at) = running.iter().position(|(known, _)| known == settings) {
            let engine = running.remove(at);
            let worker = Arc::clone(&engine.1);
            running.push(engine);
            return Ok(worker);
        }
        let package = self.package(settings)?;
        let threads = self.args.threads();
        let memory_limit = self.args.memory();
        let config = EngineConfig { package, settings: settings.clone(), threads, memory_limit, check_golden: true };
        let engine = Engine::start(config).await?;
        let worker = TaskWorker::new(engine, self.sources.clone(), settings.clone(), threads)
            .with_transient(Transient::HandBack);
        let worker = Arc::new(worker);
        if running.len() == MOST_ENGINES {
            running.remove(0);
        }
        running.push((settings.clone(), Arc::clone(&worker)));
        Ok(worker)
    }

    /// An engine that has ended with an error is started anew for the next task.
    pub(super) async fn forget(&self, settings: &Settings) {
        self.running.lock().await.retain(|(known, _)| known != settings);
    }

    fn package(&self, settings: &Settings) -> Result<PackageSource, EngineError> {
        let wanted: Digest = settings.model.digest;
        let candidates = [self.local_model.as_deref(), Some(settings.model.uri.as_str()), Some("builtin")];
        let mut reason = String::new();
        for name in candidates.into_iter().flatten() {
            match FoundModel::find(name) {
                Ok(found) if found.reference.digest == wanted => return Ok(PackageSource::from(found.directory)),
                Ok(found) => reason = format!("{name} has the digest {}", found.reference.digest),
                Err(error) => reason = error.to_string(),
            }
        }
        let id = &settings.model.id;
        let uri = PathBuf::from(&settings.model.uri);
        Err(EngineError::Model(format!(
            "the model {id} (digest {wanted}) of {} is not here: {reason}; give its directory with --model",
            uri.display()
        )))
    }
}
