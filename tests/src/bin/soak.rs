//! `soak MINUTES [SEED]`: batches of 5,000 images on three workers in a storm of faults of all kinds, with the real programs;
//! each batch ends in the checker. Start it by `tests/soak`.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tests::soak::Soak;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let minutes = arguments.next().context("usage: soak MINUTES [SEED]")?;
    let minutes: u64 = minutes.parse().context("MINUTES is a number")?;
    ensure!((1..=24 * 60).contains(&minutes), "MINUTES is a number from 1 to 1440");
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse()).context("SEED is a number")?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // Whatever runs ends with it: workers, producers, the broker.
    tokio::select! {
        done = soak(Duration::from_secs(60 * minutes), seed) => done,
        _ = terminate.recv() => bail!("stopped by SIGTERM"),
        _ = interrupt.recv() => bail!("stopped by Ctrl-C"),
    }
}

#[expect(clippy::print_stdout, reason = "its figures are what it is for")]
async fn soak(time: Duration, seed: u64) -> Result<()> {
    let mut soak = Soak::start(seed).await?;
    soak.say("the calm runs are done");
    let end = Instant::now() + time;
    while Instant::now() < end {
        soak.batch(end).await;
        soak.say(&soak.figures());
    }
    soak.finish().await;
    println!("{}", soak.figures());
    println!("soak: every row of every batch is that of a calm run; nothing was left on the queue");
    Ok(())
}
