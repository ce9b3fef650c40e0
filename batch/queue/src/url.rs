//! The address of the broker, which shows everything but its password.

use std::fmt;
use std::str::FromStr;

use lapin::uri::AMQPUri;

use crate::error::QueueError;

/// A validated `amqp://` or `amqps://` URL: `amqp://user:password@host:port/vhost`. `Display` and `Debug` hide the password.
///
/// Without a path, or with the path `/`, the virtual host is `/`, as it is for nearly everyone.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl {
    uri: AMQPUri,
}

impl AmqpUrl {
    /// Host and port, for messages and for proxies.
    pub fn authority(&self) -> (&str, u16) {
        (&self.uri.authority.host, self.uri.authority.port)
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.uri.scheme == lapin::uri::AMQPScheme::AMQPS
    }

    /// The same broker behind another host and port, as through a proxy.
    pub fn with_authority(&self, host: &str, port: u16) -> AmqpUrl {
        let mut url = self.clone();
        url.uri.authority.host = host.to_owned();
        url.uri.authority.port = port;
        url
    }

    /// The URL with its password, for handing it to a child process; never log it.
    pub fn reveal(&self) -> String {
        self.uri.to_string()
    }

    pub(crate) fn uri(&self, heartbeat: u16) -> AMQPUri {
        let mut uri = self.uri.clone();
        uri.query.heartbeat.get_or_insert(heartbeat);
        uri
    }
}

impl FromStr for AmqpUrl {
    type Err = QueueError;

    fn from_str(text: &str) -> Result<AmqpUrl, QueueError> {
        const REMEDY: &str = "give it as amqp://user:password@host:5672/vhost or amqps://…";
        // The text itself may hold a password: it is in no error.
        if !text.starts_with("amqp://") && !text.starts_with("amqps://") {
            return Err(QueueError::config("the AMQP URL does not begin with amqp:// or amqps://", REMEDY));
        }
        let mut uri: AMQPUri = text
            .parse()
            .map_err(|reason| QueueError::config(format!("the AMQP URL is malformed ({reason})"), REMEDY))?;
        if let Some(host) = ipv6_host(text) {
            uri.authority.host = host.to_owned();
        }
        if uri.authority.host.is_empty() {
            return Err(QueueError::config("the AMQP URL names no host", REMEDY));
        }
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        Ok(AmqpUrl { uri })
    }
}

/// The client library drops a bracketed address and falls back to `localhost`; here it is kept.
fn ipv6_host(text: &str) -> Option<&str> {
    let authority = text.split_once("://")?.1.split(['/', '?']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    host.strip_prefix('[')?.split_once(']').map(|(host, _)| host)
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { scheme, authority, vhost, .. } = &self.uri;
        let vhost = if vhost == "/" { "" } else { vhost };
        let host = &authority.host;
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{}:***@{open}{host}{close}:{}/{vhost}", authority.userinfo.username, authority.port)
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AmqpUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_no_output() {
        let url: AmqpUrl = "amqps://ann:s3cr%2Ft@mq.example:5999/photos".parse().unwrap();
        for shown in [url.to_string(), format!("{url:?}"), format!("{url:#?}")] {
            assert!(!shown.contains("s3cr"), "{shown}");
        }
        assert_eq!(url.to_string(), "amqps://ann:***@mq.example:5999/photos");
        assert_eq!(url.reveal().parse::<AmqpUrl>().unwrap(), url);
    }

    #[test]
    fn errors_do_not_show_the_password_either() {
        for bad in ["http://u:s3cret@h", "amqp://u:s3cret@h:99999/", "amqp://u:s3cret@h/?heartbeat=x", "u:s3cret@h"] {
            let error = bad.parse::<AmqpUrl>().unwrap_err();
            assert_eq!(error.exit_code(), 64);
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn no_path_and_a_slash_both_mean_the_default_virtual_host() {
        for text in ["amqp://localhost", "amqp://localhost/", "amqp://localhost/%2f"] {
            assert_eq!(text.parse::<AmqpUrl>().unwrap().uri.vhost, "/");
        }
    }

    #[test]
    fn a_bracketed_address_is_kept() {
        let url: AmqpUrl = "amqp://u:p@[::1]:5673/v".parse().unwrap();
        assert_eq!(url.authority(), ("::1", 5673));
        assert_eq!(url.to_string(), "amqp://u:***@[::1]:5673/v");
    }
}
