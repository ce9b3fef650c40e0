//! Measures the ledger: so many runs over so many objects in a folder, then one pass of a listing in which every
//! thousandth object is new and every thousandth was overwritten. Prints seconds, bytes and the peak of this process.
//! Names are numbers as a camera's, or with `random` 32 hex digits that nothing makes shorter.
//!
//! `cargo run --release -p ledger --example merge -- 10000000 40 [random]`

#![expect(clippy::print_stdout, reason = "an example that prints what it measured")]

use std::time::Instant;

use ledger::{Found, Known, Ledger};
use store::Store;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let objects: u64 = args.next().map_or(Ok(10_000_000), |text| text.parse())?;
    let runs: u64 = args.next().map_or(Ok(40), |text| text.parse())?;
    let name = if args.next().as_deref() == Some("random") { random } else { numbered };
    let name = |at| name(at, objects);
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().to_string_lossy()).await?;
    let ledger = Ledger::new(store, "ledger/");

    let started = Instant::now();
    for run in 1..=runs {
        let mut leaf = ledger.leaf(run).await?;
        for at in (0..objects).filter(|at| at % runs == run - 1 && at % 1000 != 7) {
            leaf.push(&name(at), &etag(at, 0)).await?;
        }
        leaf.finish().await?;
    }
    println!("{runs} runs written: {:.1} s", started.elapsed().as_secs_f64());

    let started = Instant::now();
    ledger.merge(runs).await?;
    println!("merged: {:.1} s", started.elapsed().as_secs_f64());

    let started = Instant::now();
    let segments = ledger.segments(runs).await?;
    let count = segments.len();
    let mut known = Known::new(segments).await?;
    let (mut new, mut overwritten) = (0, 0);
    for at in 0..objects {
        match known.find(&name(at), &etag(at, u64::from(at % 1000 == 8))).await? {
            Found::New => new += 1,
            Found::Overwritten => overwritten += 1,
            Found::Known => {}
        }
    }
    known.finish().await?;
    println!("listing of {objects} against {count} segments: {:.1} s", started.elapsed().as_secs_f64());
    println!("{new} new, {overwritten} overwritten");

    let sizes = std::fs::read_dir(folder.path().join("ledger"))?
        .map(|entry| Ok((entry.as_ref().map_err(|_| "gone")?.file_name(), entry?.metadata()?.len())))
        .collect::<Result<Vec<_>, Box<dyn std::error::Error>>>()?;
    let leaves = sizes.iter().filter(|(name, _)| {
        name.to_string_lossy().trim_end_matches(".seg").split_once('-').is_some_and(|(first, last)| first == last)
    });
    println!(
        "{:.1} bytes an object in the segments of the runs",
        leaves.map(|(_, size)| size).sum::<u64>() as f64 / objects as f64
    );
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM is not known here"));
    Ok(())
}

/// As a camera names its pictures.
fn numbered(at: u64, _objects: u64) -> String {
    format!("s3://photos/incoming/{:05}/{:08}.jpg", at / 1000, at)
}

/// As good as random, but in order.
fn random(at: u64, objects: u64) -> String {
    let share = u64::MAX / objects;
    format!("s3://photos/incoming/{:016x}{:016x}.jpg", at * share + mix(at) % share, mix(!at))
}

/// SplitMix64.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// As good as random: an MD5 cannot be compressed.
fn etag(at: u64, version: u64) -> String {
    format!("{:016x}{:016x}", mix(2 * at + 1), mix(2 * at + 2 + (version << 40)))
}
