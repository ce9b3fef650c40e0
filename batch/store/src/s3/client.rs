//! The connection to S3: the standard AWS configuration, right for AWS and for compatible servers, with a limit on
//! every wait.

use std::sync::Once;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    Credentials, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};

pub(crate) use aws_sdk_s3::Client;

use crate::error::StoreError;
use crate::options::Options;
use crate::trust::any_authority;

const CONNECT: Duration = Duration::from_secs(5);

/// A client for all buckets. It does not retry by itself: one place above it does, which knows what a second answer
/// means after a first attempt of unknown outcome.
pub(crate) async fn connect(options: &Options) -> Result<Client, StoreError> {
    choose_tls();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(options.idle)
        .operation_attempt_timeout(2 * options.idle)
        .operation_timeout(2 * options.idle)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // Bodies have a time limit of ours, which resumes them.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(keys) = &options.credentials {
        loader = loader.credentials_provider(Credentials::new(
            &keys.access_key,
            keys.secret_key(),
            None,
            None,
            "given to the program",
        ));
    }
    // The SDK takes these too, but tells nobody.
    let named =
        ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let endpoint = options.endpoint.clone().or_else(|| named.into_iter().flatten().next());
    // Before the SDK, which goes on without authorities, or panics.
    if endpoint.as_deref().map_or(Ok(true), is_by_tls)? {
        any_authority("S3")?;
    }
    let shared = loader.load().await;
    let endpoint = endpoint.or_else(|| shared.endpoint_url().map(str::to_owned));
    let own_server = endpoint.is_some();
    let mut config = aws_sdk_s3::config::Builder::from(&shared);
    if own_server {
        config = config
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    if shared.region().is_none() {
        if !own_server {
            return Err(StoreError::Config {
                place: "S3".into(),
                cause: "no AWS region is configured".into(),
                remedy: "set AWS_REGION, or AWS_ENDPOINT_URL_S3 for another server",
            });
        }
        config = config.region(Region::new("us-east-1"));
    }
    Ok(Client::from_conf(config.build()))
}

fn is_by_tls(endpoint: &str) -> Result<bool, StoreError> {
    match reqwest::Url::parse(endpoint) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url.scheme() == "https"),
        _ => Err(StoreError::Config {
            place: "S3".into(),
            cause: format!("its endpoint {endpoint:?} is not a URL"),
            remedy: "set AWS_ENDPOINT_URL_S3 to http://host:port or https://host",
        }),
    }
}

/// Two TLS providers in one binary panic at their first use unless one was chosen.
pub(crate) fn choose_tls() {
    static CHOSEN: Once = Once::new();
    CHOSEN.call_once(|| {
        // An error says that the program has chosen before: as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}
