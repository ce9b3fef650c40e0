//! What an answer of S3, or the lack of one, means.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use retry::Failure;

use crate::error::StoreError;
use crate::traffic::traffic;

/// An attempt that brought no success.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) cause: String,
}

/// What to make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// There is no such object (or, for requests without a body in their answer, perhaps no such bucket).
    Absent,
    /// There is no such multipart upload (any more).
    NoUpload,
    /// The condition of the request does not hold.
    Condition,
    /// The asked range is beyond the end.
    Range,
    /// May pass. The request may have had its effect or not.
    Transient,
    /// No space.
    Full,
    /// No permission, or wrong credentials.
    Denied,
    /// No credentials at all.
    NoCredentials,
    NoBucket,
    /// Anything else that another attempt would not change.
    Config,
}

impl Fault {
    pub(crate) fn of<E>(error: SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        match &error {
            SdkError::ServiceError(answer) => {
                let code = answer.err().code().unwrap_or_default();
                let kind = kind_of(status.unwrap_or(0), code);
                Fault { kind, cause: describe(status, code, answer.err().message()) }
            }
            SdkError::TimeoutError(_) => Fault { kind: Kind::Transient, cause: "it did not answer in time".into() },
            SdkError::ConstructionFailure(_) => unanswered(chain(&error), true),
            SdkError::DispatchFailure(failure) => unanswered(chain(&error), failure.is_user()),
            _ => unanswered(chain(&error), false),
        }
    }

    pub(crate) fn transient(cause: impl Into<String>) -> Fault {
        Fault { kind: Kind::Transient, cause: cause.into() }
    }

    /// As an error about `place`, to be retried or not; counted.
    pub(crate) fn into_failure(self, place: &str) -> Failure<StoreError> {
        traffic().fault(self.kind);
        let (place, cause) = (place.to_owned(), self.cause);
        let remedy = match self.kind {
            Kind::Transient => return Failure::Transient(StoreError::Unavailable { place, cause }),
            Kind::Full => return Failure::Permanent(StoreError::Full { place, cause }),
            Kind::Denied => {
                let remedy =
                    "check the AWS_* credentials and that they may list, read, write and delete below this prefix";
                return Failure::Permanent(StoreError::Denied { place, cause, remedy });
            }
            Kind::NoCredentials => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or another source of the AWS credential chain"
            }
            Kind::NoBucket => "create the bucket, or correct its name, AWS_ENDPOINT_URL_S3 or AWS_REGION",
            Kind::Absent | Kind::NoUpload | Kind::Condition | Kind::Range | Kind::Config => {
                "check AWS_ENDPOINT_URL_S3 and AWS_REGION, and that the server speaks the S3 protocol"
            }
        };
        Failure::Permanent(StoreError::Config { place, cause, remedy })
    }
}

/// A request that brought no answer; `ours` if it could not even be sent as it was.
fn unanswered(cause: String, ours: bool) -> Fault {
    // The chain of credentials lists all that it tried, one a line.
    let short = cause.lines().next().unwrap_or_default().trim_end_matches(" Attempted:").to_owned();
    let kind = match () {
        () if NO_CREDENTIALS.iter().any(|text| cause.contains(text)) => Kind::NoCredentials,
        // Credentials that could not be refreshed may be had later.
        () if ours && !cause.contains("credentials") => Kind::Config,
        () => Kind::Transient,
    };
    Fault { kind, cause: short }
}

/// How the SDK says that nothing is configured; it has no type for it.
const NO_CREDENTIALS: [&str; 2] = ["no credentials found in chain", "no providers in chain provided credentials"];

fn kind_of(status: u16, code: &str) -> Kind {
    match (status, code) {
        (_, "NoSuchBucket" | "InvalidBucketName") => Kind::NoBucket,
        (_, "NoSuchUpload") => Kind::NoUpload,
        (_, "PreconditionFailed") | (412, _) => Kind::Condition,
        (_, "InvalidRange") | (416, _) => Kind::Range,
        (507, _) | (_, "XMinioStorageFull" | "QuotaExceeded" | "InsufficientStorage") => Kind::Full,
        // Clocks are set, tokens are renewed and throttles pass.
        (
            _,
            "RequestTimeout" | "RequestTimeTooSkewed" | "ExpiredToken" | "SlowDown" | "InternalError" | "BadDigest",
        ) => Kind::Transient,
        (501, _) => Kind::Config,
        (408 | 409 | 425 | 429 | 500.., _) => Kind::Transient,
        (404, "" | "NoSuchKey" | "NotFound") => Kind::Absent,
        (401 | 403, _) | (_, "XAdminUserNotFound") => Kind::Denied,
        // No status, or a success that makes no sense: nobody knows what was done.
        (0 | 200..300, _) => Kind::Transient,
        _ => Kind::Config,
    }
}

fn describe(status: Option<u16>, code: &str, message: Option<&str>) -> String {
    let status = status.map_or(String::new(), |status| format!("HTTP {status}"));
    [status.as_str(), code, message.unwrap_or_default()]
        .into_iter()
        .filter(|s| !s.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The error of an operation that ended with its last retry; counted if it was given up.
pub(crate) fn given_up<E>(failure: Failure<E>) -> E {
    if failure.is_transient() {
        traffic().gave_up();
    }
    failure.into_inner()
}

/// The messages of an error and its sources.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_classed() {
        let cases = [
            (503, "SlowDown", Kind::Transient),
            (500, "InternalError", Kind::Transient),
            (502, "", Kind::Transient),
            (429, "TooManyRequests", Kind::Transient),
            (409, "ConditionalRequestConflict", Kind::Transient),
            (403, "RequestTimeTooSkewed", Kind::Transient),
            (400, "RequestTimeout", Kind::Transient),
            (400, "ExpiredToken", Kind::Transient),
            (412, "PreconditionFailed", Kind::Condition),
            (404, "NoSuchKey", Kind::Absent),
            (404, "", Kind::Absent),
            (404, "NotFound", Kind::Absent),
            (404, "NoSuchBucket", Kind::NoBucket),
            (404, "NoSuchWebsite", Kind::Config),
            (404, "XAdminUserNotFound", Kind::Denied),
            (404, "NoSuchUpload", Kind::NoUpload),
            (403, "AccessDenied", Kind::Denied),
            (403, "SignatureDoesNotMatch", Kind::Denied),
            (501, "NotImplemented", Kind::Config),
            (400, "InvalidArgument", Kind::Config),
            (200, "", Kind::Transient),
            (200, "PreconditionFailed", Kind::Condition),
            (301, "PermanentRedirect", Kind::Config),
            (507, "XMinioStorageFull", Kind::Full),
            (416, "InvalidRange", Kind::Range),
        ];
        for (status, code, kind) in cases {
            assert_eq!(kind_of(status, code), kind, "{status} {code}");
        }
    }

    #[test]
    fn missing_credentials_are_told_from_credentials_that_cannot_be_had_now() {
        let missing = unanswered(
            "other: not enabled: no credentials found in chain. Attempted:\n  Environment: no".into(),
            false,
        );
        assert_eq!(
            (missing.kind, &*missing.cause),
            (Kind::NoCredentials, "other: not enabled: no credentials found in chain.")
        );
        let later = unanswered("an error occurred while loading credentials: time-out".into(), true);
        assert_eq!(later.kind, Kind::Transient);
        assert_eq!(unanswered("io error: connection refused".into(), false).kind, Kind::Transient);
        assert_eq!(unanswered("failed to build a request".into(), true).kind, Kind::Config);
    }
}
