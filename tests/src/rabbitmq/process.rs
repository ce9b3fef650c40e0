//! The node's processes in one group, which ends with the test process however that ends.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::net::TcpStream;
use tokio::time::sleep;

const LOOK: Duration = Duration::from_millis(50);

/// Waits for the end of its input, which comes with the end of the test process, even by SIGKILL; then kills its group
/// and removes the data.
const GUARD: &str = r#"read -r _; setsid sh -c 'sleep 1; rm -rf -- "$0"' "$1" & kill -KILL 0"#;

/// A process group with a guard as its leader.
pub(super) struct Group {
    guard: Child,
    console: PathBuf,
    others: Vec<Child>,
}

impl Group {
    pub(super) fn start(dir: &Path) -> Result<Group> {
        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", GUARD, "guard"]).arg(dir).stdin(Stdio::piped()).process_group(0);
        guard.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Group { guard: guard.spawn()?, console: dir.join("console"), others: Vec::new() })
    }

    /// Runs `command` in the group until the group ends.
    pub(super) fn spawn(&mut self, command: Command) -> Result<()> {
        let child = self.child(command)?;
        self.others.push(child);
        Ok(())
    }

    /// Runs the server in the group.
    pub(super) fn serve(&self, command: Command) -> Result<Server> {
        Ok(Server { child: self.child(command)? })
    }

    fn child(&self, mut command: Command) -> Result<Child> {
        let console = File::options().create(true).append(true).open(&self.console)?;
        command.stdin(Stdio::null()).stdout(console.try_clone()?).stderr(console);
        Ok(command.process_group(self.guard.id().cast_signed()).spawn()?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _gone = kill_process_group(pid(&self.guard), Signal::KILL);
        for child in self.others.iter_mut().chain([&mut self.guard]) {
            let _ended = child.wait();
        }
    }
}

/// The node's own process.
pub(super) struct Server {
    child: Child,
}

impl Server {
    pub(super) async fn terminate(mut self, limit: Duration) -> Result<()> {
        kill_process(pid(&self.child), Signal::TERM)?;
        self.ended(limit).await
    }

    pub(super) async fn kill(mut self, limit: Duration) -> Result<()> {
        self.child.kill()?;
        self.ended(limit).await
    }

    pub(super) fn freeze(&self) -> Result<()> {
        Ok(kill_process(pid(&self.child), Signal::STOP)?)
    }

    pub(super) fn thaw(&self) -> Result<()> {
        Ok(kill_process(pid(&self.child), Signal::CONT)?)
    }

    async fn ended(&mut self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        while self.child.try_wait()?.is_none() {
            if start.elapsed() > limit {
                bail!("RabbitMQ did not end within {limit:?}");
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Waits until somebody listens on `port` of the loopback interface.
pub(super) async fn listening(port: u16, limit: Duration) -> Result<()> {
    let start = Instant::now();
    while let Err(error) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
        if start.elapsed() > limit {
            bail!("nobody listened on port {port} within {limit:?}: {error}");
        }
        sleep(LOOK).await;
    }
    Ok(())
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}
