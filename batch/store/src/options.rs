//! How a store is reached, where its URL does not say it.

use std::fmt;
use std::time::Duration;

/// Settings of a store's connection. The default is right for a worker: the `AWS_*` environment, faults survived for
/// five minutes.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long one call goes on trying while the store is unavailable.
    pub patience: Duration,
    /// How long a connection may say nothing while an object is read or written before the attempt counts as failed.
    pub idle: Duration,
    /// The S3 server, instead of `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    /// The S3 credentials, instead of the standard chain.
    pub credentials: Option<Credentials>,
}

impl Default for Options {
    fn default() -> Options {
        Options { patience: Duration::from_secs(300), idle: Duration::from_secs(30), endpoint: None, credentials: None }
    }
}

impl Options {
    /// For a person at a terminal: gives up after `patience`.
    pub fn patient_for(patience: Duration) -> Options {
        Options { patience, ..Options::default() }
    }
}

/// A fixed pair of S3 keys. The secret is never shown.
#[derive(Clone)]
pub struct Credentials {
    /// The public part.
    pub access_key: String,
    secret_key: String,
}

impl Credentials {
    /// A pair of keys.
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>) -> Credentials {
        Credentials { access_key: access_key.into(), secret_key: secret_key.into() }
    }

    pub(crate) fn secret_key(&self) -> &str {
        &self.secret_key
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_not_shown() {
        let options = Options { credentials: Some(Credentials::new("AK", "s3cr3t")), ..Options::default() };
        let shown = format!("{options:?}");
        assert!(shown.contains("AK") && !shown.contains("s3cr3t"), "{shown}");
    }
}
