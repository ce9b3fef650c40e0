//! A private, real RabbitMQ node: own data, own ports, own epmd, loopback only, gone with the test process.

mod control;
mod install;
mod process;

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use control::QueueInfo;
use install::Install;
use process::Group;

/// It takes eight seconds on a machine of its own, and a minute on a busy one.
const START: Duration = Duration::from_secs(300);
const STOP: Duration = Duration::from_secs(120);

/// The node of this test process, with others on it: use queue names of your own and do not disturb it.
///
/// # Panics
/// When RabbitMQ is missing or does not start; a missing service fails the test.
pub async fn shared() -> RwLockReadGuard<'static, Node> {
    node().await.read().await
}

/// The node of this test process, alone: for stopping, killing and freezing it.
///
/// # Panics
/// As [`shared`].
pub async fn exclusive() -> RwLockWriteGuard<'static, Node> {
    node().await.write().await
}

async fn node() -> &'static RwLock<Node> {
    static NODE: OnceCell<RwLock<Node>> = OnceCell::const_new();
    let start = async || RwLock::new(Node::start().await.expect("a private RabbitMQ node"));
    NODE.get_or_init(start).await
}

/// A running (or stopped, or frozen) node. Dropping it kills its processes and removes its data.
pub struct Node {
    install: Install,
    name: String,
    ports: Ports,
    server: Option<process::Server>,
    group: Group,
    dir: TempDir,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    distribution: u16,
    epmd: u16,
}

impl Node {
    /// Starts a node with empty data and waits until it is ready.
    ///
    /// # Errors
    /// When RabbitMQ is not installed (the text says how to install it) or does not come up in time (with its log).
    pub async fn start() -> Result<Node> {
        let install = Install::find()?;
        let dir = tempfile::Builder::new().prefix("pixelmill-rabbitmq-").tempdir()?;
        let ports = Ports::free()?;
        let name = format!("pixelmill-{}@localhost", ports.amqp);
        write_files(dir.path(), ports)?;
        let group = Group::start(dir.path(), install.epmd(ports.epmd))?;
        let mut node = Node { install, name, ports, server: None, group, dir };
        process::listening(node.ports.epmd, START).await.context("epmd")?;
        node.resume().await?;
        Ok(node)
    }

    /// `amqp://guest:guest@127.0.0.1:<port>`
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.ports.amqp)
    }

    /// Where it listens, for proxies.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.amqp).into()
    }

    /// Starts it again with the same data and ports after [`Node::stop`] or [`Node::kill`].
    ///
    /// # Errors
    /// When it does not come up in time; the text has the end of its log.
    pub async fn resume(&mut self) -> Result<()> {
        if self.server.is_some() {
            bail!("the node runs already");
        }
        let command = self.install.server(&self.environment());
        self.server = Some(self.group.serve(command)?);
        let ready = async {
            process::listening(self.ports.amqp, START).await?;
            self.control(&["await_startup", "--timeout", "60"]).await
        };
        match ready.await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.context(format!("RabbitMQ did not start; its log ends:\n{}", self.log_tail()))),
        }
    }

    /// Stops it as an operator would; the data stay.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.take().context("the node is stopped already")?.terminate(STOP).await
    }

    /// Kills it with SIGKILL, as a crash would; the data stay as they are.
    ///
    /// RabbitMQ 3.10 writes the registration of a new queue some seconds late. Killed before, it forgets what it
    /// confirmed and the queue answers nobody until somebody deletes it. So that is written first: tests are about queues of some age.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        self.write_tables().await?;
        self.server.take().context("the node is stopped already")?.kill(STOP).await
    }

    /// Freezes it with SIGSTOP: connections stay open and nothing answers. Until [`Node::thaw`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self) -> Result<()> {
        self.server.as_ref().context("the node is stopped")?.freeze()
    }

    /// Lets a frozen node go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> Result<()> {
        self.server.as_ref().context("the node is stopped")?.thaw()
    }

    fn environment(&self) -> Vec<(String, String)> {
        let Ports { amqp, distribution, epmd } = self.ports;
        let dir = self.dir.path().display();
        let loopback = "-kernel inet_dist_use_interface {127,0,0,1}";
        let set = |name: &str, value: String| (name.to_owned(), value);
        vec![
            set("HOME", dir.to_string()),
            set("LANG", "C.UTF-8".into()),
            set("ERL_EPMD_PORT", epmd.to_string()),
            set("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            // Not where the tests were started: a node that is killed while it starts would leave it in a checkout.
            set("ERL_CRASH_DUMP", format!("{dir}/erl_crash.dump")),
            // The script becomes the node instead of waiting for it, so that signals reach the node.
            set("RUNNING_UNDER_SYSTEMD", "true".into()),
            set("RABBITMQ_NODENAME", self.name.clone()),
            set("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".into()),
            set("RABBITMQ_NODE_PORT", amqp.to_string()),
            set("RABBITMQ_DIST_PORT", distribution.to_string()),
            set("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", loopback.into()),
            set("RABBITMQ_CTL_ERL_ARGS", loopback.into()),
            set("RABBITMQ_CONF_ENV_FILE", format!("{dir}/env.conf")),
            set("RABBITMQ_CONFIG_FILE", format!("{dir}/rabbitmq.conf")),
            set("RABBITMQ_ADVANCED_CONFIG_FILE", format!("{dir}/advanced.config")),
            set("RABBITMQ_ENABLED_PLUGINS_FILE", format!("{dir}/enabled_plugins")),
            set("RABBITMQ_GENERATED_CONFIG_DIR", format!("{dir}/generated")),
            set("RABBITMQ_MNESIA_BASE", format!("{dir}/data")),
            set("RABBITMQ_LOG_BASE", format!("{dir}/log")),
            set("RABBITMQ_PID_FILE", format!("{dir}/pid")),
        ]
    }

    fn log_tail(&self) -> String {
        let read = |name: String| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        let text = read(format!("log/{}.log", self.name)) + &read("console".into());
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Ports {
    /// Three that were free just now.
    fn free() -> Result<Ports> {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listeners = [listen()?, listen()?, listen()?];
        let port = |n: usize| listeners[n].local_addr().map(|address| address.port());
        Ok(Ports { amqp: port(0)?, distribution: port(1)?, epmd: port(2)? })
    }
}

fn write_files(dir: &Path, ports: Ports) -> Result<()> {
    for folder in ["data", "log", "generated"] {
        fs::create_dir(dir.join(folder))?;
    }
    let config = format!(
        "listeners.tcp.1 = 127.0.0.1:{}\ndisk_free_limit.absolute = 1MB\nraft.wal_max_size_bytes = 64000000\n",
        ports.amqp
    );
    fs::write(dir.join("rabbitmq.conf"), config)?;
    fs::write(dir.join("advanced.config"), "[].\n")?;
    fs::write(dir.join("enabled_plugins"), "[].\n")?;
    fs::write(dir.join("env.conf"), "")?;
    let cookie = dir.join(".erlang.cookie");
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(cookie)?;
    write!(file, "PIXELMILL{}{}", ports.amqp, std::process::id())?;
    Ok(())
}
