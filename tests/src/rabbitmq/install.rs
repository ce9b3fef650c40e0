//! Where RabbitMQ is installed, and its programs as commands with an environment of their own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// Points to the `sbin` folder of another RabbitMQ than the installed one.
const VARIABLE: &str = "RABBITMQ_SBIN";

#[derive(Debug)]
pub(super) struct Install {
    sbin: PathBuf,
    epmd: PathBuf,
}

impl Install {
    /// The folder in `RABBITMQ_SBIN`, or Debian's. The programs in `/usr/sbin` would switch to the system's user and data.
    pub(super) fn find() -> Result<Install> {
        let chosen = env::var_os(VARIABLE).map(PathBuf::from);
        let sbin = chosen.unwrap_or_else(|| PathBuf::from("/usr/lib/rabbitmq/bin"));
        if !sbin.join("rabbitmq-server").exists() || !sbin.join("rabbitmqctl").exists() {
            bail!(
                "no RabbitMQ server in {}: `apt-get install rabbitmq-server` (Debian 12 or later), \
                 or set {VARIABLE} to the folder of `rabbitmq-server` and `rabbitmqctl`",
                sbin.display()
            );
        }
        let Some(epmd) = on_path("epmd") else {
            bail!("no `epmd` on the PATH: `apt-get install erlang-base` (rabbitmq-server depends on it)");
        };
        Ok(Install { sbin, epmd })
    }

    pub(super) fn server(&self, environment: &[(String, String)]) -> Command {
        command(&self.sbin.join("rabbitmq-server"), environment)
    }

    pub(super) fn control(&self, environment: &[(String, String)]) -> Command {
        command(&self.sbin.join("rabbitmqctl"), environment)
    }

    /// In the foreground, so that it ends with the rest.
    pub(super) fn epmd(&self, port: u16) -> Command {
        let mut epmd = command(&self.epmd, &[]);
        epmd.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
        epmd
    }
}

/// Nothing of the caller's environment but the PATH gets through: it may name another node.
fn command(program: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.env("PATH", env::var_os("PATH").unwrap_or_default());
    command
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.exists())
}
