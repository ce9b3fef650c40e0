//! Steps of a worker at which tests kill it: with the feature `test-hooks`, `PIXELMILL_FAILPOINT` names one.

/// A step of `worker run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first image is fetched.
    AfterFetch,
    /// The engine has answered for the first time.
    AfterInfer,
    /// A part is complete and not stored.
    BeforeStore,
    /// A part is stored and its message not acked.
    AfterStore,
    /// All parts are there, nothing else.
    BeforeGather,
    /// The Parquet files are there, the summary is not.
    AfterGather,
    /// `_SUCCESS` is there, and the marker still too.
    AfterSuccess,
}

/// Aborts if `step` is the one that `PIXELMILL_FAILPOINT` names.
#[cfg(feature = "test-hooks")]
pub fn pass(step: Step) {
    let name = match step {
        Step::AfterFetch => "after-fetch",
        Step::AfterInfer => "after-infer",
        Step::BeforeStore => "before-store",
        Step::AfterStore => "after-store",
        Step::BeforeGather => "before-gather",
        Step::AfterGather => "after-gather",
        Step::AfterSuccess => "after-success",
    };
    if std::env::var("PIXELMILL_FAILPOINT").is_ok_and(|wanted| wanted == name) {
        std::process::abort();
    }
}

/// Nothing: this program has no failpoints.
#[cfg(not(feature = "test-hooks"))]
pub fn pass(_step: Step) {}
