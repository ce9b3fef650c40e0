//! Steps of `enqueue` and `etl` at which tests kill the program: with the feature `test-hooks`, `PIXELMILL_FAILPOINT` names one.

/// A step of `enqueue` or `etl`.
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
    /// A run is decided, nothing of its batch is there.
    AfterRun,
    /// The image files are copied into the batch, the manifest is not there.
    AfterCopy,
    /// The pipeline knows the batch's name, the run is not in the ledger.
    AfterName,
    /// The run is in the ledger.
    AfterLedger,
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
        Step::AfterRun => "after-run",
        Step::AfterCopy => "after-copy",
        Step::AfterName => "after-name",
        Step::AfterLedger => "after-ledger",
    };
    if std::env::var("PIXELMILL_FAILPOINT").is_ok_and(|wanted| wanted == name) {
        std::process::abort();
    }
}

/// Nothing: this program has no failpoints.
#[cfg(not(feature = "test-hooks"))]
pub fn pass(_step: Step) {}
