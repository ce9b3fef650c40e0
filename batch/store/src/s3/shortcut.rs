//! Objects of a bucket without most of the SDK.
//!
//! For each request the SDK puts its configuration together anew and asks some twenty interceptors, which takes more core time
//! than sending, receiving and copying the object of a photo. So only the first request goes that way. What is right for a bucket, the
//! SDK alone knows: endpoint, style of address, region, credentials, proxies, connections. A [`Scout`] looks at what it sends, and later
//! requests go the same [`Way`]: to the same place, over the same connections, with credentials from the same cache, signed by the SDK's
//! own signer.
//!
//! A shortcut knows one answer, an object. Whatever else comes, the SDK asks again, and knows what it means.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{ConfigBag, HttpClient, Intercept, ResolveCachedIdentity, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http::label::{EncodingStrategy, fmt_string};
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::runtime_components::GetIdentityResolver;
use reqwest::header::HeaderValue;

/// As often in a row the SDK may get what was refused by the shortcut, before it is closed. Once or twice, that is chance.
const REFUSALS: u32 = 3;

/// As often in a row the SDK may get what had no answer by the shortcut. After an outage, as many may be waiting.
const FAILURES: u32 = 100;

/// Headers of the SDK's requests that the shortcut has too, and those that only tell who asks and how often. Any other one would be missed.
const KNOWN: [&str; 11] = [
    "authorization",
    "host",
    "if-match",
    "range",
    "user-agent",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-user-agent",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
];

/// The shortcut to the objects of one bucket.
#[derive(Debug, Default)]
pub(super) struct Shortcut {
    /// Once an object was got: how, or that there is no way but the SDK's.
    way: OnceLock<Option<Arc<Way>>>,
    refusals: AtomicU32,
    failures: AtomicU32,
}

impl Shortcut {
    /// The way, if it is known and open.
    pub(super) fn way(&self) -> Option<&Way> {
        let few = |count: &AtomicU32, limit: u32| count.load(Ordering::Relaxed) < limit;
        let is_open = few(&self.refusals, REFUSALS) && few(&self.failures, FAILURES);
        self.way.get()?.as_deref().filter(|_| is_open)
    }

    /// Looks at how the SDK asks for an object, unless that is known.
    pub(super) fn scout(&self, name: &str) -> Option<Scout> {
        self.way.get().is_none().then(|| Scout { name: name.into(), way: Arc::default() })
    }

    /// A request that a scout has looked at has brought an object.
    pub(super) fn open(&self, scout: &Scout) {
        let _the_first_counts = self.way.set(scout.way.get().cloned());
    }

    /// An object was got here.
    pub(super) fn succeeded(&self) {
        for count in [&self.refusals, &self.failures] {
            // Written only where that changes it: threads share it.
            if count.load(Ordering::Relaxed) > 0 {
                count.store(0, Ordering::Relaxed);
            }
        }
    }

    /// The SDK got what was refused here.
    pub(super) fn was_refused(&self) {
        count(&self.refusals, REFUSALS);
    }

    /// The SDK got what had no answer here.
    pub(super) fn had_failed(&self) {
        count(&self.failures, FAILURES);
    }
}

/// Counts one more.
fn count(counter: &AtomicU32, limit: u32) {
    if counter.fetch_add(1, Ordering::Relaxed) + 1 == limit {
        tracing::debug!("objects are fetched by the whole SDK: it gets what is not to be had without it");
    }
}

/// Looks at a request just before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Scout {
    name: Arc<str>,
    way: Arc<OnceLock<Arc<Way>>>,
}

impl Intercept for Scout {
    fn name(&self) -> &'static str {
        "Scout"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(way) = Way::of(context.request(), &self.name, components, config) {
            let _the_first_counts = self.way.set(Arc::new(way));
        }
        Ok(())
    }
}

/// What came of a request.
pub(super) enum Answer {
    /// The object, and its ETag as it was sent.
    Object { size: u64, etag: Option<String>, body: ByteStream },
    /// There is no such object, or not in this version. Another may be there a moment later.
    Absent,
    /// Later, perhaps.
    Unavailable(u16),
    /// Anything else.
    Refused,
}

impl Answer {
    fn of(mut response: HttpResponse) -> Self {
        let headers = response.headers();
        match (response.status().as_u16(), headers.get("content-length").and_then(|size| size.parse().ok())) {
            (200, Some(size)) => {
                let etag = headers.get("etag").map(str::to_owned);
                Self::Object { size, etag, body: ByteStream::new(response.take_body()) }
            }
            (404 | 412, _) => Self::Absent,
            (status @ (429 | 500..), _) => Self::Unavailable(status),
            _ => Self::Refused,
        }
    }
}

/// How a bucket's objects are asked for.
#[derive(Debug)]
pub(super) struct Way {
    /// What stands before and after the name of an object.
    before: String,
    after: String,
    agent: String,
    region: String,
    service: String,
    connector: SharedHttpConnector,
    components: RuntimeComponents,
    resolver: SharedIdentityResolver,
}

impl Way {
    /// As the SDK has asked for the object `name`; nothing if it did anything that is not known here: checks of what is received,
    /// sessions of directory buckets, requests without a signature.
    fn of(request: &HttpRequest, name: &str, components: &RuntimeComponents, config: &ConfigBag) -> Option<Self> {
        if !request.headers().iter().all(|(header, _)| KNOWN.contains(&header)) {
            return None;
        }
        let (address, query) = request.uri().split_once('?')?;
        let before = address.strip_suffix(&encoded(name)).filter(|before| before.ends_with('/'))?;
        let (region, service) = scope(request.headers().get("authorization")?)?;
        let timeouts = config.load::<TimeoutConfig>()?;
        let mut settings = HttpConnectorSettings::builder();
        settings.set_connect_timeout(timeouts.connect_timeout()).set_read_timeout(timeouts.read_timeout());
        Some(Self {
            before: before.to_owned(),
            after: format!("?{query}"),
            agent: request.headers().get("user-agent")?.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            connector: components.http_client()?.http_connector(&settings.build(), components),
            components: components.clone(),
            resolver: components.identity_resolver(AuthSchemeId::from("sigv4"))?,
        })
    }

    /// Asks for an object, of the version `if_match` (quoted) if that is given. An error says that there was no answer.
    pub(super) async fn get(&self, name: &str, if_match: Option<&str>) -> Result<Answer, BoxError> {
        let mut request = HttpRequest::get(format!("{}{}{}", self.before, encoded(name), self.after))?;
        request.headers_mut().try_insert("user-agent", self.agent.clone())?;
        if let Some(version) = if_match {
            request.headers_mut().try_insert("if-match", version.to_owned())?;
        }
        self.sign(&mut request).await?;
        Ok(Answer::of(self.connector.call(request).await?))
    }

    async fn sign(&self, request: &mut HttpRequest) -> Result<(), BoxError> {
        let config = ConfigBag::base();
        let cache = self.components.identity_cache();
        let identity = cache.resolve_cached_identity(self.resolver.clone(), &self.components, &config).await?;
        let mut settings = SigningSettings::default();
        // As S3 wants it: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.components.time_source().unwrap_or_default().now())
            .settings(settings)
            .build()?
            .into();
        let signable =
            SignableRequest::new(request.method(), request.uri(), request.headers().iter(), SignableBody::empty())?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        for header in instructions.into_parts().0 {
            let mut value = HeaderValue::from_str(header.value())?;
            value.set_sensitive(header.sensitive());
            request.headers_mut().try_insert(header.name(), value)?;
        }
        Ok(())
    }
}

/// A name as it stands in the path of a URL.
fn encoded(name: &str) -> String {
    fmt_string(name, EncodingStrategy::Greedy)
}

/// Region and service of a signature: `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`.
fn scope(authorization: &str) -> Option<(&str, &str)> {
    let credential = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=")?.split(',').next()?;
    let mut parts = credential.strip_suffix("/aws4_request")?.rsplit('/');
    let service = parts.next()?;
    Some((parts.next()?, service))
}
