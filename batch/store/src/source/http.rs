//! Images from the web: only from hosts that were allowed, also after redirects.

use std::collections::HashSet;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use retry::{Failure, Policy, retry};

use super::{Code, FetchError, Settings};
use crate::error::StoreError;
use crate::options::Options;
use crate::traffic::traffic;
use crate::trust::REMEDY;

const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 5;

pub(super) struct Web {
    /// None if no server is allowed.
    client: Option<Client>,
    hosts: Hosts,
    policy: Policy,
}

/// Scheme, host and port of each allowed server.
#[derive(Clone)]
struct Hosts(HashSet<(String, String, u16)>);

impl Web {
    pub(super) fn new(settings: &Settings) -> Result<Web, StoreError> {
        let hosts = Hosts::new(&settings.http_hosts)?;
        // Without a host nothing is asked, so that no authorities are needed either.
        let client = (!hosts.0.is_empty()).then(|| hosts.client(&settings.options)).transpose()?;
        Ok(Web { client, hosts, policy: Policy::for_at_most(settings.options.patience) })
    }

    pub(super) async fn fetch(&self, uri: &str, etag: Option<&str>, max_bytes: u64) -> Result<Bytes, FetchError> {
        let url =
            Url::parse(uri).map_err(|e| FetchError::new(Code::FetchFailed, format!("{uri} is not a URL: {e}")))?;
        if !self.hosts.allow(&url) {
            let host = url.host_str().unwrap_or_default();
            return Err(FetchError::new(
                Code::Denied,
                format!("images from {}://{host} are not allowed", url.scheme()),
            ));
        }
        let content = retry(self.policy, |_| async {
            traffic().attempt();
            let content = self.attempt(&url, etag, max_bytes).await;
            if content.as_ref().is_err_and(Failure::is_transient) {
                traffic().transient();
            }
            content
        });
        content.await.map_err(crate::s3::given_up)
    }

    async fn attempt(&self, url: &Url, etag: Option<&str>, max_bytes: u64) -> Result<Bytes, Failure<FetchError>> {
        let denied = || Failure::Permanent(FetchError::new(Code::Denied, "no server is allowed"));
        let client = self.client.as_ref().ok_or_else(denied)?;
        let mut request = client.get(url.clone());
        if let Some(etag) = etag {
            request = request.header(header::IF_MATCH, format!("\"{etag}\""));
        }
        let mut response = request.send().await.map_err(fault)?;
        check(&response, etag)?;
        let too_large = |size| Failure::Permanent(FetchError::too_large(size, max_bytes));
        if let Some(size) = response.content_length().filter(|size| *size > max_bytes) {
            return Err(too_large(size));
        }
        let mut content = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            content.extend_from_slice(&chunk);
            if content.len() as u64 > max_bytes {
                return Err(too_large(content.len() as u64));
            }
        }
        Ok(content.freeze())
    }
}

fn check(response: &Response, etag: Option<&str>) -> Result<(), Failure<FetchError>> {
    let status = response.status();
    let permanent = |code, message: String| Err(Failure::Permanent(FetchError::new(code, message)));
    match status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            return permanent(Code::NotFound, format!("the server said {status}"));
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return permanent(Code::Denied, format!("the server said {status}"));
        }
        StatusCode::PRECONDITION_FAILED => return permanent(Code::Changed, format!("the server said {status}")),
        status if status.is_redirection() => {
            let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
            return permanent(Code::Denied, format!("it redirects to {to}, which is not allowed"));
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            return transient(format!("the server said {status}"));
        }
        status if status.is_server_error() => return transient(format!("the server said {status}")),
        _ => return permanent(Code::FetchFailed, format!("the server said {status}")),
    }
    let now = response.headers().get(header::ETAG).and_then(|now| now.to_str().ok()).map(|now| now.trim_matches('"'));
    match (etag, now) {
        (Some(listed), Some(now)) if listed != now => {
            permanent(Code::Changed, format!("its ETag is {now}, not {listed}"))
        }
        _ => Ok(()),
    }
}

fn transient<T>(message: String) -> Result<T, Failure<FetchError>> {
    Err(Failure::Transient(FetchError::transient(message)))
}

fn fault(error: reqwest::Error) -> Failure<FetchError> {
    // The URL is the image's: its row names it.
    let error = error.without_url();
    if error.is_redirect() || error.is_builder() {
        return Failure::Permanent(FetchError::new(Code::FetchFailed, chain(&error)));
    }
    Failure::Transient(FetchError::transient(chain(&error)))
}

impl Hosts {
    /// A client that goes nowhere else, whatever a server says.
    fn client(&self, options: &Options) -> Result<Client, StoreError> {
        crate::s3::choose_tls();
        let allowed = self.clone();
        let idle = options.idle;
        Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(idle)
            // A server that trickles must not hold a place for ever.
            .timeout(10 * idle)
            .user_agent(concat!("pixelmill/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::custom(move |attempt| {
                if attempt.previous().len() > REDIRECTS {
                    attempt.error("too many redirects")
                } else if allowed.allow(attempt.url()) {
                    attempt.follow()
                } else {
                    // The answer is the redirect itself then.
                    attempt.stop()
                }
            }))
            .build()
            .map_err(|e| StoreError::Config { place: "https".into(), cause: chain(&e), remedy: REMEDY })
    }

    fn new(allowed: &[String]) -> Result<Hosts, StoreError> {
        let parse = |entry: &String| {
            let url = if entry.contains("://") { Url::parse(entry) } else { Url::parse(&format!("https://{entry}")) };
            url.ok().as_ref().and_then(server).ok_or_else(|| StoreError::Config {
                place: format!("{entry:?}"),
                cause: "it is not a host".into(),
                remedy: "give host, host:port or http://host:port",
            })
        };
        Ok(Hosts(allowed.iter().map(parse).collect::<Result<_, _>>()?))
    }

    fn allow(&self, url: &Url) -> bool {
        server(url).is_some_and(|server| self.0.contains(&server))
    }
}

fn server(url: &Url) -> Option<(String, String, u16)> {
    let scheme = Some(url.scheme()).filter(|scheme| matches!(*scheme, "http" | "https"))?;
    Some((scheme.into(), url.host_str()?.to_ascii_lowercase(), url.port_or_known_default()?))
}

fn chain(error: &dyn std::error::Error) -> String {
    crate::s3::chain(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_by_scheme_name_and_port() {
        let hosts = Hosts::new(&["Images.example.org".into(), "b.example:8443".into(), "http://127.0.0.1:80".into()]);
        let hosts = hosts.expect("hosts");
        for (url, allowed) in [
            ("https://images.example.org/a.jpg", true),
            ("https://images.example.org:443/a.jpg", true),
            ("http://images.example.org/a.jpg", false),
            ("https://images.example.org:444/a.jpg", false),
            ("https://images.example.org.evil/a.jpg", false),
            ("https://images.example.org@evil/a.jpg", false),
            ("https://b.example/a", false),
            ("https://b.example:8443/a", true),
            ("http://127.0.0.1/a", true),
            ("https://127.0.0.1/a", false),
            ("ftp://images.example.org/a", false),
        ] {
            assert_eq!(hosts.allow(&Url::parse(url).expect("a URL")), allowed, "{url}");
        }
        assert!(Hosts::new(&["no host".into()]).is_err());
        assert!(Hosts::new(&["file:///etc".into()]).is_err());
    }
}
