//! The child's side: load the model, then decode, preprocess and infer on one thread per core until stdin ends.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{Resource, Rlimit, Signal};

use super::protocol::{EngineConfig, Reply, Request};
use crate::machine;
use crate::pipeline::{Pipeline, PipelineThread};

/// Longest side of a thumbnail in pixels: twice what the report shows, for dense screens.
const THUMBNAIL_SIDE: u32 = 192;

/// Runs an engine on this process's stdin and stdout until stdin ends. A model that cannot be used is answered, not
/// returned.
pub fn run() -> io::Result<()> {
    die_with_parent()?;
    // A panic in a decoder becomes its image's error row; printing it as well would only alarm.
    std::panic::set_hook(Box::new(|_| {}));
    // Small, so that images pass it by.
    let mut stdin = BufReader::with_capacity(8 * 1024, io::stdin().lock());
    let Some(Request::Configure(config)) = Request::read(&mut stdin)? else {
        return Err(io::Error::other(
            "an engine is started by pixelmill itself and expects its configuration on stdin",
        ));
    };
    let replies = Replies(Arc::new(Mutex::new(File::from(io::stdout().as_fd().try_clone_to_owned()?))));
    let pipeline = match load(&config) {
        Ok(pipeline) => pipeline,
        Err(reason) => return replies.send(&Reply::Refused(format!("{reason:#}"))),
    };
    machine::give_back_freed_memory();
    limit_memory(config.memory)?;
    replies.send(&Reply::Ready)?;

    // The parent bounds what is under way; one place in the queue per thread keeps the threads busy.
    let (queue, jobs) = mpsc::sync_channel(config.threads);
    let jobs = Arc::new(Mutex::new(jobs));
    thread::scope(|scope| {
        for _ in 0..config.threads {
            let (jobs, replies, pipeline) = (Arc::clone(&jobs), replies.clone(), &pipeline);
            scope.spawn(move || work(&jobs, &replies, pipeline.thread()));
        }
        while let Some(request) = Request::read(&mut stdin)? {
            if queue.send(request).is_err() {
                break;
            }
        }
        drop(queue);
        Ok(())
    })
}

fn load(config: &EngineConfig) -> anyhow::Result<Pipeline> {
    let package = config.package.open()?;
    let (expected, found) = (config.expected_digest(), package.digest());
    anyhow::ensure!(
        expected == found,
        "the model package has the digest {found}, the batch wants {expected}: use the package that the batch was made with"
    );
    let pipeline = Pipeline::load(package, &config.settings)?;
    if config.check_golden {
        // On a thread that ends with it, and with it the buffers that it would keep for a next image.
        let checked = thread::scope(|scope| scope.spawn(|| pipeline.check_golden()).join());
        checked.unwrap_or_else(|panic| resume_unwind(panic))?;
    }
    Ok(pipeline)
}

fn work(jobs: &Mutex<Receiver<Request>>, replies: &Replies, mut thread: PipelineThread<'_>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let sent = match job {
            Ok(Request::Classify { id, image }) => replies.send(&Reply::Started { id }).and_then(|()| {
                // The decoder's own panics are caught where they arise. Any other one leaves a thread in an unknown
                // state: ending the process makes this image a suspect.
                let done = catch_unwind(AssertUnwindSafe(|| thread.classify(&image)));
                let (outcome, times) = done.unwrap_or_else(|_| std::process::abort());
                replies.send(&Reply::Classified { id, outcome: Box::new(outcome), times })
            }),
            Ok(Request::Thumbnail { id, image }) => replies.send(&Reply::Started { id }).and_then(|()| {
                let jpeg = thread.thumbnail(&image, THUMBNAIL_SIDE).unwrap_or_default();
                replies.send(&Reply::Thumbnail { id, jpeg })
            }),
            Ok(Request::Configure(_)) | Err(_) => return,
        };
        // Without a parent there is nobody to work for.
        if sent.is_err() {
            return;
        }
    }
}

#[derive(Clone)]
struct Replies(Arc<Mutex<File>>);

impl Replies {
    fn send(&self, reply: &Reply) -> io::Result<()> {
        reply.write(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A child that hangs does not notice that its stdin has ended; the kernel ends it with its parent.
fn die_with_parent() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Allocations beyond the limit fail, which ends this process and no other. A core file would only fill the disk.
fn limit_memory(limit: Option<u64>) -> io::Result<()> {
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    if let Some(limit) = limit {
        rustix::process::setrlimit(Resource::Data, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}
