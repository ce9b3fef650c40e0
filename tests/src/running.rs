//! The programs that a test starts: none of them outlives it.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{LIMIT, LOOK};

/// A program that runs beside the test. Dropping it kills it.
pub struct Running(Child);

impl Running {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started, as everything here: such a test fails.
    pub fn start(command: &mut Command) -> Running {
        Running(command.spawn().expect("a program"))
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// Never: it is a child of this process.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child")
    }

    /// Waits until it ends; its exit code, none after a signal.
    ///
    /// # Panics
    /// When that takes longer than [`LIMIT`].
    pub async fn ended(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.status() {
                return status.code();
            }
            assert!(started.elapsed() < LIMIT, "a program did not end within {LIMIT:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Tells it to stop, by SIGTERM.
    ///
    /// # Panics
    /// When it has ended.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("a running program");
    }

    /// Kills it with SIGKILL, unless it has ended.
    pub fn kill(&mut self) {
        let _ended_before = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// As [`Running::ended`].
///
/// # Panics
/// As there.
pub async fn ended(mut program: Running) -> Option<i32> {
    program.ended().await
}

/// Tells it to stop and waits; the exit code.
///
/// # Panics
/// As [`Running::ended`].
pub async fn terminate(program: Running) -> Option<i32> {
    program.terminate();
    ended(program).await
}

/// Runs a program to its end.
pub(crate) async fn output(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true).output().await.expect("a program")
}

/// A program of this package, which cargo builds beside the tests.
pub(crate) fn beside_this_one(program: &str) -> PathBuf {
    let this = std::env::current_exe().expect("the path of this program");
    let folder = this.parent().expect("a folder");
    let folder = if folder.ends_with("deps") { folder.parent().expect("a folder") } else { folder };
    folder.join(program)
}
