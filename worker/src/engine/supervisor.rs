//! The shared engine and its supervisor: hands images to the child process, notices when it dies or hangs, sends the
//! suspects to isolation and goes on in a new child with all others.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use batch::Outcome;
use bytes::Bytes;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument, Span, warn};

use super::error::EngineError;
use super::isolation::Isolation;
use super::process::{Death, EngineProcess, death, end, window};
use super::protocol::{EngineConfig, Image, Order, Reply, Request, Wanted};
use super::shelf::{Place, Shelf};
use crate::observe::{EngineEnd, metrics};

/// Classifies images in a supervised child process. Dropping it ends the child.
#[derive(Debug)]
pub struct Engine {
    jobs: mpsc::Sender<Job>,
    supervisor: JoinHandle<()>,
    isolation: Arc<Isolation>,
    threads: usize,
    /// Why it gave up, once it has.
    failure: Arc<OnceLock<EngineError>>,
}

#[derive(Debug)]
struct Job {
    image: Bytes,
    answer: Answer,
    /// What is logged about it says whose image it is.
    span: Span,
}

/// Who waits for the answer, and for which one.
#[derive(Debug)]
enum Answer {
    Outcome(oneshot::Sender<Result<Outcome, EngineError>>),
    Thumbnail(oneshot::Sender<Vec<u8>>),
}

/// A child that dies this often in a row without having begun an image will never work.
const MOST_IDLE_DEATHS: u32 = 3;

impl Engine {
    /// Starts an engine and waits until its model is loaded.
    pub async fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let process = EngineProcess::start(&config).await?;
        let threads = config.threads;
        let (jobs, queue) = mpsc::channel(1);
        let (isolation, failure) = (Arc::new(Isolation::new(&config)), Arc::default());
        let supervisor = Supervisor {
            image_timeout: Duration::from_secs(u64::from(config.settings.image_timeout_s)),
            config: EngineConfig { check_golden: false, ..config },
            isolation: Arc::clone(&isolation),
            failure: Arc::clone(&failure),
            queue,
            trials: Vec::new(),
            in_flight: BTreeMap::new(),
            next_id: 0,
            idle_deaths: 0,
        };
        Ok(Self { jobs, supervisor: tokio::spawn(supervisor.run(process)), isolation, threads, failure })
    }

    /// How many images should be under way at once to keep every thread of the engine busy.
    pub fn window(&self) -> usize {
        window(self.threads) + 1
    }

    /// Classifies one image, given the bytes of its file.
    pub async fn classify(&self, image: Bytes) -> Result<Outcome, EngineError> {
        let (answer, outcome) = oneshot::channel();
        let job = Job { image, answer: Answer::Outcome(answer), span: Span::current() };
        let ended = || self.failure.get().cloned().unwrap_or(EngineError::Ended);
        self.jobs.send(job).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }

    /// Classifies one image at a time in a process apart; see [`Isolation::judge_next`].
    pub async fn judge_next(&self, image: &Bytes) -> Result<Outcome, EngineError> {
        self.isolation.judge_next(image).await
    }

    /// After the last of [`judge_next`](Self::judge_next).
    pub async fn no_next(&self) {
        self.isolation.no_next().await;
    }

    /// A small JPEG of an image, or nothing if there is none to be had.
    pub async fn thumbnail(&self, image: Bytes) -> Vec<u8> {
        let (answer, jpeg) = oneshot::channel();
        let job = Job { image, answer: Answer::Thumbnail(answer), span: Span::current() };
        match self.jobs.send(job).await {
            Ok(()) => jpeg.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// Ends the child and waits for it, so that its CPU time counts into this process's children.
    pub async fn stop(self) {
        drop(self.jobs);
        let _ended = self.supervisor.await;
    }
}

struct Supervisor {
    config: EngineConfig,
    image_timeout: Duration,
    isolation: Arc<Isolation>,
    failure: Arc<OnceLock<EngineError>>,
    queue: mpsc::Receiver<Job>,
    trials: Vec<JoinHandle<()>>,
    in_flight: BTreeMap<u64, InFlight>,
    next_id: u64,
    idle_deaths: u32,
}

struct InFlight {
    job: Job,
    /// Where its image lies on the shelf of the child, if it does.
    place: Option<Place>,
    started: Option<Instant>,
}

/// Why serving with one child ended.
enum End {
    /// Nobody has work any more.
    Done,
    /// The child has closed its stdout.
    Died,
    /// An image has exceeded its time limit.
    Hung,
}

impl Supervisor {
    async fn run(mut self, mut process: EngineProcess) {
        let _counted = metrics().engines.raised();
        let mut why_idle = EngineError::Interrupted;
        loop {
            let mut link = Link::new(process);
            let ended = self.serve(&mut link).await;
            let mut child = link.close().await;
            match ended {
                End::Done => {
                    death(&mut child).await;
                    return;
                }
                End::Died => match death(&mut child).await {
                    Death::Asked => {
                        metrics().engine_ended(EngineEnd::Asked);
                        self.idle_deaths += 1;
                        why_idle = EngineError::Interrupted;
                    }
                    Death::Crashed { signal } => {
                        metrics().engine_ended(EngineEnd::Crashed);
                        self.suspect_started(signal);
                        why_idle = EngineError::Start("the engine process dies before it begins an image".into());
                    }
                },
                End::Hung => {
                    metrics().engine_ended(EngineEnd::Hung);
                    end(&mut child).await;
                    self.suspect_hanging();
                }
            }
            if self.idle_deaths >= MOST_IDLE_DEATHS {
                return self.fail(&why_idle);
            }
            // Not beside them: of two engines that start at the same time each would take all memory that is left for its own.
            for trial in self.trials.drain(..) {
                let _answered = trial.await;
            }
            process = match EngineProcess::start(&self.config).await {
                Ok(process) => process,
                Err(error) => return self.fail(&error.into()),
            };
        }
    }

    async fn serve(&mut self, link: &mut Link) -> End {
        for (id, waiting) in &mut self.in_flight {
            waiting.started = None;
            waiting.place = link.send(*id, &waiting.job).await;
        }
        let mut open = true;
        loop {
            let deadline = self.in_flight.values().filter_map(|waiting| waiting.started).min();
            let deadline = deadline.map(|started| started + self.image_timeout);
            let room = self.in_flight.len() < window(self.config.threads);
            tokio::select! {
                job = self.queue.recv(), if open && room => match job {
                    Some(job) => {
                        let id = self.next_id;
                        self.next_id += 1;
                        let place = link.send(id, &job).await;
                        self.in_flight.insert(id, InFlight { job, place, started: None });
                    }
                    None => open = false,
                },
                reply = link.replies.recv() => match reply {
                    Some(reply) => self.take(reply, link),
                    None => return End::Died,
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => return End::Hung,
            }
            if !open && self.in_flight.is_empty() {
                return End::Done;
            }
        }
    }

    fn take(&mut self, reply: Reply, link: &mut Link) {
        match reply {
            Reply::Started { id } => {
                self.idle_deaths = 0;
                if let Some(waiting) = self.in_flight.get_mut(&id) {
                    waiting.started = Some(Instant::now());
                }
            }
            Reply::Classified { id, outcome, times } => {
                times.record();
                if let Some(Answer::Outcome(answer)) = self.done(id, link) {
                    let _nobody_waits = answer.send(Ok(*outcome));
                }
            }
            Reply::Thumbnail { id, jpeg } => {
                if let Some(Answer::Thumbnail(answer)) = self.done(id, link) {
                    let _nobody_waits = answer.send(jpeg);
                }
            }
            Reply::Ready { .. } | Reply::Refused(_) => {}
        }
    }

    /// Who waits for an image that is done.
    fn done(&mut self, id: u64, link: &mut Link) -> Option<Answer> {
        let InFlight { job, place, .. } = self.in_flight.remove(&id)?;
        if let (Some(shelf), Some(place)) = (&mut link.shelf, place) {
            shelf.clear(place);
        }
        Some(job.answer)
    }

    /// After a crash, every image that a thread was working on may be the one to blame.
    fn suspect_started(&mut self, signal: Option<i32>) {
        let suspects = self.remove(|waiting| waiting.started.is_some());
        warn!(signal, suspects = suspects.len(), "the engine process died");
        self.idle_deaths = if suspects.is_empty() { self.idle_deaths + 1 } else { 0 };
        suspects.into_iter().for_each(|job| self.isolate(job, false));
    }

    /// After a hang, only the images over their time limit are to blame.
    fn suspect_hanging(&mut self) {
        let now = Instant::now();
        let limit = self.image_timeout;
        let suspects = self.remove(|waiting| waiting.started.is_some_and(|started| now - started >= limit));
        suspects.into_iter().for_each(|job| self.isolate(job, true));
    }

    fn remove(&mut self, suspect: impl Fn(&InFlight) -> bool) -> Vec<Job> {
        let ids: Vec<u64> = self.in_flight.iter().filter(|(_, waiting)| suspect(waiting)).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| self.in_flight.remove(id)).map(|waiting| waiting.job).collect()
    }

    fn isolate(&mut self, job: Job, after_hang: bool) {
        // A thumbnail is not worth a trial: dropping the sender answers "none".
        if let Answer::Outcome(mut answer) = job.answer {
            let isolation = Arc::clone(&self.isolation);
            let judging = async move {
                let why =
                    if after_hang { "it exceeded its time limit" } else { "the engine died while it worked on it" };
                warn!(why, "the image is tried again alone");
                tokio::select! {
                    judged = isolation.judge(&job.image, after_hang) => drop(answer.send(judged)),
                    // Nobody waits any more: others may need the memory.
                    () = answer.closed() => {}
                }
            };
            self.trials.push(tokio::spawn(judging.instrument(job.span)));
        }
    }

    /// Answers everything with `error`: what is under way and what still comes in.
    fn fail(mut self, error: &EngineError) {
        let _the_first_counts = self.failure.set(error.clone());
        self.queue.close();
        let waiting = std::mem::take(&mut self.in_flight).into_values().map(|waiting| waiting.job);
        let queued = std::iter::from_fn(|| self.queue.try_recv().ok());
        for job in waiting.chain(queued) {
            if let Answer::Outcome(answer) = job.answer {
                let _nobody_waits = answer.send(Err(error.clone()));
            }
        }
    }
}

impl Job {
    fn request(&self, id: u64, place: Option<Place>) -> Request {
        let image = place.map_or_else(|| Image::Sent(self.image.clone()), Image::OnShelf);
        let wanted = match self.answer {
            Answer::Outcome(_) => Wanted::Outcome,
            Answer::Thumbnail(_) => Wanted::Thumbnail,
        };
        Request::Work(Order { id, wanted, image })
    }
}

/// The shelf and the pipes of one child. Each pipe is served by a task of its own: neither a full one nor a half-read frame blocks
/// the supervisor.
struct Link {
    child: Child,
    shelf: Option<Shelf>,
    requests: mpsc::Sender<Request>,
    replies: mpsc::Receiver<Reply>,
    writer: JoinHandle<()>,
    reader: JoinHandle<()>,
}

impl Link {
    fn new(process: EngineProcess) -> Self {
        let EngineProcess { child, mut stdin, mut stdout, shelf } = process;
        let (requests, mut to_write) = mpsc::channel::<Request>(64);
        let (seen, replies) = mpsc::channel(64);
        let writer = tokio::spawn(async move {
            while let Some(request) = to_write.recv().await {
                if request.write(&mut stdin).await.is_err() {
                    break;
                }
            }
        });
        let reader = tokio::spawn(async move {
            while let Ok(Some(reply)) = Reply::read(&mut stdout).await {
                if seen.send(reply).await.is_err() {
                    break;
                }
            }
        });
        Self { child, shelf, requests, replies, writer, reader }
    }

    /// Queues a request, and says where its image lies on the shelf. If the child is gone, the closed reply side will say so.
    async fn send(&mut self, id: u64, job: &Job) -> Option<Place> {
        let place = self.shelf.as_mut().and_then(|shelf| shelf.put(&job.image));
        let _child_is_gone = self.requests.send(job.request(id, place)).await;
        place
    }

    /// Closes the pipes: a healthy child ends at the end of its stdin.
    async fn close(self) -> Child {
        drop(self.requests);
        drop(self.replies);
        self.writer.abort();
        self.reader.abort();
        let _aborted = self.writer.await;
        let _aborted = self.reader.await;
        self.child
    }
}
