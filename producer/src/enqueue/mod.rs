//! `producer enqueue`: images become a batch. Its manifest comes first, then its marker, then its messages; whoever is
//! killed in between, or comes second, goes on from what is stored.

mod listing;
mod plan;

use std::io::{self, Write};
use std::path::Path;

use batch::input::{self, Filter, Input};
use batch::{Layout, Manifest, ModelRef, State, StoredBatch};
use program::Failure;
use store::Store;
use store::source::{Settings, Sources};
use tracing::Instrument;

use crate::cli::EnqueueArgs;
use crate::display::{count, counted};
use crate::failpoint::{self, Step};
use crate::places::{Queue, found};
use crate::{model, publish};
use listing::Listing;

/// Makes the batch, or goes on with it, and publishes what is missing of it.
pub async fn run(args: &EnqueueArgs) -> Result<(), Failure> {
    make(args).instrument(tracing::info_span!("enqueue", batch = %args.batch)).await
}

async fn make(args: &EnqueueArgs) -> Result<(), Failure> {
    let store = args.store.open().await?;
    let request = Request::of(args, model::find(&args.model, &args.models, &args.store.options()).await?)?;
    let layout = Layout::of(&args.batch);
    let stored = StoredBatch::find(&store, layout.clone()).await?;
    if let Some(batch) = &stored {
        batch.expect(&request.manifest)?;
    }
    if args.dry_run {
        return plan::show(args, request, stored).await;
    }
    let queue = Queue::new(args.broker.broker()?, &args.queue)?;
    let mut admin = queue.admin();
    // Found out before anything is listed or stored.
    admin.depth().await?;
    admin.close().await;
    let batch = match stored {
        Some(_) => found(Ok(stored), &args.batch, &store)?,
        None => create(&store, layout, request).await?,
    };
    open(&batch, &queue).await
}

/// What the user asks for, before it is listed.
struct Request {
    /// The manifest without its images.
    manifest: Manifest,
    inputs: Vec<Input>,
    filter: Filter,
    sources: Sources,
    http_hosts: Vec<String>,
}

impl Request {
    fn of(args: &EnqueueArgs, model: ModelRef) -> Result<Self, Failure> {
        let inputs = args.inputs.iter().map(|input| Input::parse(input)).collect::<Result<Vec<_>, _>>()?;
        for path in inputs.iter().filter_map(missing_file) {
            tracing::warn!(path = %path.display(), "there is no such file here; where workers find none, it becomes an error row");
        }
        let filter = args.filter.filter()?;
        let manifest = Manifest {
            version: Manifest::VERSION,
            batch: args.batch.clone(),
            arguments: input::identity(&inputs, &filter)?,
            task_size: args.settings.task_size,
            settings: args.settings.settings(model),
            queue: Some(args.queue.clone()),
            parent: None,
            etl: None,
            images: Vec::new(),
        };
        let http_hosts = args.http_hosts.clone();
        let settings = Settings { options: args.store.options(), http_hosts: http_hosts.clone(), file_roots: None };
        Ok(Self { manifest, inputs, filter, sources: Sources::new(settings)?, http_hosts })
    }

    fn list(self) -> (Manifest, Listing) {
        let images = input::list(self.inputs, self.filter, self.sources);
        (self.manifest, Listing::new(images, self.http_hosts))
    }
}

fn missing_file(input: &Input) -> Option<&Path> {
    match input {
        Input::File(path) if !path.exists() => Some(path),
        _ => None,
    }
}

async fn create(store: &Store, layout: Layout, request: Request) -> Result<StoredBatch, Failure> {
    store.probe().await?;
    let (manifest, listing) = request.list();
    let images = listing.store(store, &layout).await?;
    if images.is_empty() {
        return Err(nothing_in(&manifest));
    }
    failpoint::pass(Step::AfterImages);
    let batch = StoredBatch::create(store, layout, &Manifest { images, ..manifest }).await?;
    failpoint::pass(Step::AfterManifest);
    Ok(batch)
}

fn nothing_in(manifest: &Manifest) -> Failure {
    Failure::usage(format!("there is no image in {}", manifest.arguments.join(" ")))
}

/// Marks the batch as open, publishes what is missing of it, and says so.
async fn open(batch: &StoredBatch, queue: &Queue) -> Result<(), Failure> {
    let id = &batch.manifest.batch;
    match publish::open(batch, queue).await? {
        (State::Open, messages) => writeln!(
            io::stdout(),
            "{id}: {} in {}, {} published to queue {}",
            counted(batch.manifest.image_count(), "image"),
            counted(batch.manifest.task_count(), "task"),
            count(messages),
            queue.name
        )?,
        (State::Finished, _) => {
            writeln!(io::stdout(), "{id}: is finished; `producer results {id}` shows what came out")?;
        }
        (State::Cancelled, _) => {
            return Err(Failure::usage(format!("batch {id} was cancelled, and stays so; use another id")));
        }
    }
    Ok(())
}
