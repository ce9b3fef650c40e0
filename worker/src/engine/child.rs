//! The child's side: load the model, then decode, preprocess and infer on one thread per core until stdin ends.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{Resource, Rlimit, Signal};

use super::protocol::{EngineConfig, Hello, Image, Order, Reply, Request, Wanted};
use super::shelf::View;
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
    let Some(Request::Configure(hello)) = Request::read(&mut stdin)? else {
        return Err(io::Error::other(
            "an engine is started by pixelmill itself and expects its configuration on stdin",
        ));
    };
    let replies = Replies(Arc::new(Mutex::new(File::from(io::stdout().as_fd().try_clone_to_owned()?))));
    let Hello { config, shelf } = *hello;
    let pipeline = match load(&config) {
        Ok(pipeline) => pipeline,
        Err(reason) => return replies.send(&[Reply::Refused(format!("{reason:#}"))]),
    };
    machine::give_back_freed_memory();
    limit_memory(config.memory)?;
    let shelf = shelf.and_then(|shelf| View::open(&shelf).ok());
    replies.send(&[Reply::Ready { sees_shelf: shelf.is_some() }])?;

    // The parent bounds what is under way; one place in the queue per thread keeps the threads busy.
    let (queue, orders) = mpsc::sync_channel(config.threads);
    let orders = Arc::new(Mutex::new(orders));
    thread::scope(|scope| {
        for _ in 0..config.threads {
            let (orders, replies, pipeline, shelf) = (Arc::clone(&orders), replies.clone(), &pipeline, shelf.as_ref());
            scope.spawn(move || {
                // An error says that there is no parent: then there is nobody to work for.
                let _alone = work(&orders, &replies, pipeline.thread(), shelf);
            });
        }
        while let Some(Request::Work(order)) = Request::read(&mut stdin)? {
            if queue.send(order).is_err() {
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
    let pipeline = Pipeline::load(package, &config.settings, config.most_bytes_in_full)?;
    if config.check_golden {
        // On a thread that ends with it, and with it the buffers that it would keep for a next image.
        let checked = thread::scope(|scope| scope.spawn(|| pipeline.check_golden()).join());
        checked.unwrap_or_else(|panic| resume_unwind(panic))?;
    }
    Ok(pipeline)
}

/// Works until there are no orders any more, or nobody to tell.
fn work(
    orders: &Mutex<Receiver<Order>>,
    replies: &Replies,
    mut thread: PipelineThread<'_>,
    shelf: Option<&View>,
) -> io::Result<()> {
    let mut done = None;
    while let Some(Order { id, wanted, image }) = next(orders, done, replies)? {
        // What is not there was never sent: this process cannot go on, and its images are looked at by others.
        let image = bytes(&image, shelf).unwrap_or_else(|_| std::process::abort());
        done = Some(match wanted {
            Wanted::Outcome => {
                // The decoder's own panics are caught where they arise. Any other one leaves a thread in an unknown
                // state: ending the process makes this image a suspect.
                let classified = catch_unwind(AssertUnwindSafe(|| thread.classify(image)));
                let (outcome, times) = classified.unwrap_or_else(|_| std::process::abort());
                Reply::Classified { id, outcome: Box::new(outcome), times }
            }
            Wanted::Thumbnail => {
                Reply::Thumbnail { id, jpeg: thread.thumbnail(image, THUMBNAIL_SIDE).unwrap_or_default() }
            }
        });
    }
    Ok(())
}

/// The next order, which is told to have begun. What is `done` is told before: in one piece if there is an order at once, because every piece
/// wakes the parent.
fn next(orders: &Mutex<Receiver<Order>>, done: Option<Reply>, replies: &Replies) -> io::Result<Option<Order>> {
    let at_once = orders.try_lock().ok().and_then(|orders| orders.try_recv().ok());
    if let Some(order) = at_once {
        let begun = Reply::Started { id: order.id };
        replies.send(&done.into_iter().chain([begun]).collect::<Vec<_>>())?;
        return Ok(Some(order));
    }
    if let Some(done) = done {
        replies.send(&[done])?;
    }
    let Ok(order) = orders.lock().unwrap_or_else(PoisonError::into_inner).recv() else { return Ok(None) };
    replies.send(&[Reply::Started { id: order.id }])?;
    Ok(Some(order))
}

/// The bytes of an image.
fn bytes<'a>(image: &'a Image, shelf: Option<&'a View>) -> io::Result<&'a [u8]> {
    match (image, shelf) {
        (Image::Sent(bytes), _) => Ok(bytes),
        (Image::OnShelf(place), Some(shelf)) => shelf.image(*place),
        (Image::OnShelf(_), None) => Err(io::Error::other("an image on a shelf that is not there")),
    }
}

#[derive(Clone)]
struct Replies(Arc<Mutex<File>>);

impl Replies {
    fn send(&self, replies: &[Reply]) -> io::Result<()> {
        Reply::write(replies, &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
