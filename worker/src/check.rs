//! `worker check PKG`: load, compare golden, time it, and say at each step what is wrong.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use batch::{FoundModel, ModelRef, Settings, TruncationPolicy};
use models::Package;
use program::Failure;
use store::Options;

use crate::cli::CheckArgs;
use crate::engine::PackageSource;
use crate::pipeline::Pipeline;

/// How long inference is timed.
const TIMING: Duration = Duration::from_secs(1);

/// Checks a package step by step; the first step that fails ends it with its reason.
pub async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let found = args.models.cache(Options::default()).find(&args.package).await?;
    // Loading and timing keep a thread busy for seconds.
    let checked = tokio::task::spawn_blocking(move || check(&found)).await;
    checked.unwrap_or_else(|error| Err(Failure::usage(format!("the check ended early: {error}"))))
}

fn check(found: &FoundModel) -> Result<(), Failure> {
    let say = |step: &str, text: &str| match writeln!(io::stdout(), "{step:<10} {text}") {
        // A reader that has seen enough (`| head`) ends the printing and not the check: the exit code is its answer.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(Failure::from),
    };
    let package = PackageSource::from(found.directory.clone()).open()?;
    let input = &package.spec().input;
    say("package", &format!("{} version {}", package.id(), package.spec().version))?;
    say("digest", &package.digest().to_string())?;
    let channels = input.channels;
    say("input", &format!("{channels:?} {}×{}, {:?}, {:?}", input.width, input.height, input.resize, input.filter))?;
    say("labels", &format!("{} classes", package.labels().len()))?;

    let started = Instant::now();
    let pipeline = Pipeline::load(package.clone(), &settings(&package), u64::MAX).map_err(|error| failure(&error))?;
    say("load", &format!("{:.0} ms", started.elapsed().as_secs_f64() * 1e3))?;
    let difference = pipeline.check_golden().map_err(|error| failure(&error))?;
    let count = package.golden().len();
    say("golden", &format!("{count} inputs, largest difference of a score {difference:.6}"))?;
    say("speed", &format!("{:.1} images/s on one thread (decode, preprocess, infer)", rate(&pipeline, &package)))?;
    say("result", "ok")
}

fn failure(error: &anyhow::Error) -> Failure {
    Failure::usage(format!("{error:#}"))
}

fn rate(pipeline: &Pipeline, package: &Package) -> f64 {
    let mut thread = pipeline.thread();
    let started = Instant::now();
    let mut images = 0;
    for golden in package.golden().iter().cycle() {
        if started.elapsed() >= TIMING {
            break;
        }
        thread.classify(&golden.image);
        images += 1;
    }
    f64::from(images) / started.elapsed().as_secs_f64()
}

/// Those of a batch that refuses nothing.
pub(crate) fn settings(package: &Package) -> Settings {
    Settings {
        model: ModelRef { uri: String::new(), digest: package.digest(), id: package.id() },
        top_k: 1,
        max_bytes: u64::MAX,
        max_pixels: u64::MAX,
        on_truncated: TruncationPolicy::Error,
        image_timeout_s: 60,
        task_timeout_s: 120,
    }
}
