//! The parent's side of one engine process: start it, talk to it, end it.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::protocol::{EngineConfig, Hello, Reply, Request};
use super::shelf::Shelf;
use crate::machine;
use crate::observe::{EngineStart, metrics};

/// The name by which an engine is called.
const PROGRAM: &str = "worker";
/// The hidden command that makes a process an engine.
pub const ENGINE_COMMAND: &str = "engine";

/// Loading a model and comparing its golden inputs takes a second at most; a minute covers a slow disk.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// What a pipe may hold at most without privileges.
const PIPE_BYTES: usize = 1 << 20;
/// A killed process is gone at once, unless it hangs in the kernel.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// A running engine whose model is loaded.
#[derive(Debug)]
pub(super) struct EngineProcess {
    pub(super) child: Child,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: BufReader<ChildStdout>,
    /// None where the system has no such thing: then images come with their requests.
    pub(super) shelf: Option<Shelf>,
}

/// Images given to an engine at once: one under work and one waiting per thread.
pub(super) fn window(threads: usize) -> usize {
    threads * 2
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("{0}")]
    Refused(String),
    #[error("the engine process did not start: {0}")]
    Failed(#[from] io::Error),
}

/// How an engine process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// Someone asked it to end: that says nothing about the image.
    Asked,
    /// Something in it went wrong.
    Crashed {
        /// The signal that ended it, if one did.
        signal: Option<i32>,
    },
}

impl EngineProcess {
    /// Starts an engine and waits until its model is loaded.
    pub(super) async fn start(config: &EngineConfig) -> Result<Self, StartError> {
        let memory = machine::engine_memory(config.memory);
        let shelf = Shelf::new(window(config.threads)).and_then(|shelf| match memory {
            Some(memory) if shelf.most_bytes() > memory / 4 => Err(io::Error::other("there is too little memory")),
            _ => Ok(shelf),
        });
        if let Err(reason) = &shelf {
            tracing::debug!(%reason, "images go to the engine through its pipe");
        }
        Self::counted(config, memory, shelf.ok()).await
    }

    /// The same for images that are tried alone: one of `siblings` that start together and share the memory that is left.
    pub(super) async fn start_alone(config: &EngineConfig, siblings: u64) -> Result<Self, StartError> {
        let memory = machine::engine_memory(config.memory).map(|memory| memory / siblings);
        Self::counted(config, memory, None).await
    }

    /// Of `memory`, what images may take on the shelf is not the engine's own.
    async fn counted(config: &EngineConfig, memory: Option<u64>, shelf: Option<Shelf>) -> Result<Self, StartError> {
        let memory = memory.map(|memory| memory - shelf.as_ref().map_or(0, Shelf::most_bytes));
        let started = Self::try_start(EngineConfig { memory, ..config.clone() }, shelf).await;
        metrics().engine_started(match started {
            Ok(_) => EngineStart::Ready,
            Err(StartError::Refused(_)) => EngineStart::Refused,
            Err(StartError::Failed(_)) => EngineStart::Failed,
        });
        started
    }

    async fn try_start(config: EngineConfig, shelf: Option<Shelf>) -> Result<Self, StartError> {
        let mut child = Command::new(program()?)
            // The file may hold other programs too, which it tells by this name.
            .arg0(PROGRAM)
            .arg(ENGINE_COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            // A Ctrl-C on the terminal is for the parent, which ends its engines in order.
            .process_group(0)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no pipes").into());
        };
        // Fewer, longer turns for images that do not lie on the shelf. Where the system's limit is lower, the pipe stays as it is.
        let _refused = rustix::pipe::fcntl_setpipe_size(&stdin, PIPE_BYTES);
        let hello = Hello { config, shelf: shelf.as_ref().map(Shelf::address) };
        let mut engine = Self { child, stdin, stdout: BufReader::with_capacity(64 * 1024, stdout), shelf };
        let answer = async {
            Request::Configure(Box::new(hello)).write(&mut engine.stdin).await?;
            Reply::read(&mut engine.stdout).await
        };
        match timeout(START_TIMEOUT, answer).await {
            Ok(Ok(Some(Reply::Ready { sees_shelf }))) => {
                if engine.shelf.is_some() && !sees_shelf {
                    tracing::debug!("images go to the engine through its pipe: it does not see its shelf");
                }
                Ok(Self { shelf: engine.shelf.filter(|_| sees_shelf), ..engine })
            }
            Ok(Ok(Some(Reply::Refused(reason)))) => Err(StartError::Refused(reason)),
            Ok(Ok(_)) => Err(io::Error::other("it ended while loading the model").into()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(io::Error::other("the model was not loaded within a minute").into()),
        }
    }
}

/// Ends the process, if it has not ended, and says how it ended.
pub(super) async fn end(child: &mut Child) -> Death {
    let _already_gone = child.start_kill();
    death(child).await
}

/// Waits for a process whose pipes have closed and says how it ended.
pub(super) async fn death(child: &mut Child) -> Death {
    match timeout(END_TIMEOUT, child.wait()).await {
        Ok(Ok(status)) => death_of(status),
        _ => Death::Crashed { signal: None },
    }
}

fn death_of(status: ExitStatus) -> Death {
    const HUP: i32 = 1;
    const INT: i32 = 2;
    const QUIT: i32 = 3;
    const TERM: i32 = 15;
    match status.signal() {
        Some(HUP | INT | QUIT | TERM) => Death::Asked,
        signal => Death::Crashed { signal },
    }
}

/// This very program, even if its file was replaced while it runs.
fn program() -> io::Result<PathBuf> {
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() { Ok(link) } else { std::env::current_exe() }
}
