//! Steps of `enqueue` at which tests kill the program: with the feature `test-hooks`, `PIXELMILL_FAILPOINT` names one.

/// A step of `enqueue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The image files are stored, the manifest is not.
    AfterImages,
    /// The manifest is stored, the marker is not.
    AfterManifest,
    /// The marker is there, nothing is published.
    AfterMarker,
    /// Half of the messages are sent.
    MidPublish,
    /// Every message is confirmed.
    AfterPublish,
}

/// Aborts if `step` is the one that `PIXELMILL_FAILPOINT` names.
#[cfg(feature = "test-hooks")]
pub fn pass(step: Step) {
    let name = match step {
        Step::AfterImages => "after-images",
        Step::AfterManifest => "after-manifest",
        Step::AfterMarker => "after-marker",
        Step::MidPublish => "mid-publish",
        Step::AfterPublish => "after-publish",
    };
    if std::env::var("PIXELMILL_FAILPOINT").is_ok_and(|wanted| wanted == name) {
        std::process::abort();
    }
}

/// Nothing: this program has no failpoints.
#[cfg(not(feature = "test-hooks"))]
pub fn pass(_step: Step) {}
