//! The node's processes in one group, which ends with the test process however that ends.

use std::fs::File;
use std::io::Write;
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

/// Reads the number of the group, then waits for the end of its input, which comes with the end of the test process, even by
/// SIGKILL; then kills the group and removes the data.
const GUARD: &str = r#"
read -r group; read -r _
kill -KILL "-$group"
for _ in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 1; done"#;

/// A process group, and the guard that watches over it from outside.
pub(super) struct Group {
    guard: Child,
    leader: Child,
    console: PathBuf,
}

impl Group {
    /// `leader` runs until the group ends; `dir` is removed then.
    pub(super) fn start(dir: &Path, leader: Command) -> Result<Group> {
        let console = dir.join("console");
        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", GUARD, "guard"]).arg(dir).stdin(Stdio::piped()).process_group(0);
        let mut guard = guard.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let leader = spawn(leader, &console, 0)?;
        if let Some(input) = guard.stdin.as_mut() {
            writeln!(input, "{}", leader.id())?;
        }
        Ok(Group { guard, leader, console })
    }

    /// Runs the server in the group.
    pub(super) fn serve(&self, command: Command) -> Result<Server> {
        Ok(Server { child: spawn(command, &self.console, self.leader.id().cast_signed())? })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _stopped = self.guard.kill();
        let _gone = kill_process_group(pid(&self.leader), Signal::KILL);
        let _reaped = (self.guard.wait(), self.leader.wait());
    }
}

fn spawn(mut command: Command, console: &Path, group: i32) -> Result<Child> {
    let console = File::options().create(true).append(true).open(console)?;
    command.stdin(Stdio::null()).stdout(console.try_clone()?).stderr(console);
    Ok(command.process_group(group).spawn()?)
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
