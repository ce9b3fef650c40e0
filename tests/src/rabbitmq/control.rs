//! What an operator does to a node, and what the node says about its queues.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Deserializer};

use super::Node;

const LIMIT: Duration = Duration::from_secs(120);

/// A queue as the broker describes it.
#[derive(Debug, Clone, Deserialize)]
pub struct QueueInfo {
    /// Its name.
    pub name: String,
    /// Whether it survives a restart of the broker.
    pub durable: bool,
    /// Messages that wait.
    pub messages_ready: u64,
    /// Messages that consumers hold.
    pub messages_unacknowledged: u64,
    /// Subscriptions.
    pub consumers: u64,
    /// The arguments it was declared with.
    #[serde(deserialize_with = "arguments")]
    pub arguments: Arguments,
}

/// Arguments of a queue by name.
pub type Arguments = BTreeMap<String, serde_json::Value>;

/// RabbitMQ 4 prints an object, 3.10 a list of `[name, type, value]`.
fn arguments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arguments, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Printed {
        Object(Arguments),
        List(Vec<(String, String, serde_json::Value)>),
    }
    Ok(match Printed::deserialize(deserializer)? {
        Printed::Object(arguments) => arguments,
        Printed::List(list) => list.into_iter().map(|(name, _, value)| (name, value)).collect(),
    })
}

impl Node {
    /// Runs `rabbitmqctl` and returns what it prints.
    ///
    /// # Errors
    /// When it fails or takes longer than two minutes.
    pub async fn control(&self, arguments: &[&str]) -> Result<String> {
        let mut control = tokio::process::Command::from(self.install.control(&self.environment()));
        control.args(["--node", &self.name, "--quiet"]).args(arguments).kill_on_drop(true);
        let what = arguments.join(" ");
        let output = tokio::time::timeout(LIMIT, control.output()).await;
        let output = output.with_context(|| format!("rabbitmqctl {what} took longer than {LIMIT:?}"))??;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            bail!("rabbitmqctl {what}: {}: {err}{out}", output.status);
        }
        Ok(out.into_owned())
    }

    /// Closes every connection, as an operator can.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn close_all_connections(&self) -> Result<()> {
        self.control(&["close_all_connections", "closed by the operator"]).await.map(drop)
    }

    /// Raises or clears the memory alarm, which blocks everyone who publishes.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn set_memory_alarm(&self, on: bool) -> Result<()> {
        self.control(&["set_vm_memory_high_watermark", if on { "0.000001" } else { "0.4" }]).await.map(drop)
    }

    /// Lets a message stay unanswered for `limit` only; the broker looks once a second. For channels opened from now on.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn set_consumer_timeout(&self, limit: Duration) -> Result<()> {
        let set = |name: &str, ms: u128| format!("application:set_env(rabbit, {name}, {ms})");
        let tick = if limit < LIMIT { 1000 } else { 60_000 };
        let both = [set("consumer_timeout", limit.as_millis()), set("channel_tick_interval", tick)].join(", ");
        self.control(&["eval", &format!("{both}.")]).await.map(drop)
    }

    /// Writes down what the broker holds in memory of queues that were declared in the last seconds.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub(super) async fn write_tables(&self) -> Result<()> {
        self.control(&["eval", "[dets:sync(Table) || Table <- dets:all()]."]).await.map(drop)
    }

    /// Declares a durable classic queue, as somebody else might have done under a name of ours.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn declare_plain_queue(&self, queue: &str) -> Result<()> {
        let name = format!("rabbit_misc:r(<<\"/\">>, queue, <<\"{queue}\">>)");
        self.control(&["eval", &format!("rabbit_amqqueue:declare({name}, true, false, [], none, <<\"tests\">>).")])
            .await
            .map(drop)
    }

    /// Deletes a queue with everything in it.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn delete_queue(&self, queue: &str) -> Result<()> {
        self.control(&["delete_queue", queue]).await.map(drop)
    }

    /// Removes the waiting messages of a queue.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn purge_queue(&self, queue: &str) -> Result<()> {
        self.control(&["purge_queue", queue]).await.map(drop)
    }

    /// Removes all bindings of an exchange.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn unbind(&self, exchange: &str) -> Result<()> {
        let source = format!("rabbit_misc:r(<<\"/\">>, exchange, <<\"{exchange}\">>)");
        let remove = "[rabbit_binding:remove(Binding, <<\"tests\">>) || Binding <-";
        self.control(&["eval", &format!("{remove} rabbit_binding:list_for_source({source})].")]).await.map(drop)
    }

    /// All queues of the node.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn queues(&self) -> Result<Vec<QueueInfo>> {
        let columns = ["name", "durable", "messages_ready", "messages_unacknowledged", "consumers", "arguments"];
        let list = [["list_queues", "--formatter", "json"].as_slice(), &columns].concat();
        let json = self.control(&list).await?;
        serde_json::from_str(&json).with_context(|| format!("the list of queues: {json}"))
    }

    /// One queue, if it is there.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn queue(&self, name: &str) -> Result<Option<QueueInfo>> {
        Ok(self.queues().await?.into_iter().find(|queue| queue.name == name))
    }

    /// The destinations that `exchange` is bound to.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn bindings(&self, exchange: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Binding {
            source_name: String,
            destination_name: String,
        }
        let columns = ["list_bindings", "--formatter", "json", "source_name", "destination_name"];
        let json = self.control(&columns).await?;
        let bindings: Vec<Binding> = serde_json::from_str(&json).with_context(|| format!("the bindings: {json}"))?;
        let ours = bindings.into_iter().filter(|binding| binding.source_name == exchange);
        Ok(ours.map(|binding| binding.destination_name).collect())
    }

    /// The version of the broker.
    ///
    /// # Errors
    /// As [`Node::control`].
    pub async fn version(&self) -> Result<String> {
        let version = self.control(&["eval", "rabbit_misc:version()."]).await?;
        Ok(version.trim().trim_matches('"').to_owned())
    }
}
