//! Renders a made-up report, to look at: `cargo run -p batch --example report -- OUT.html [KIND] [FOLDER]`.
//!
//! KIND is one of `mixed` (the default), `empty`, `failed`, `one-class`, `thousand-classes`, `cancelled`; FOLDER has JPEGs
//! to show as thumbnails.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use batch::{
    ErrorCode, ImageRef, Label, Manifest, ModelRef, Outcome, Report, RowError, RunNotes, Session, Settings, Summary,
    TruncationPolicy, render,
};
use models::Digest;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().context("usage: report OUT.html [KIND] [FOLDER]")?;
    let kind = arguments.next().unwrap_or_else(|| "mixed".to_owned());
    let pictures = arguments.next().map(read_jpegs).transpose()?.unwrap_or_default();

    let summary = summary(&kind)?;
    let thumbnails: BTreeMap<_, _> =
        summary.least_certain.iter().map(|image| image.index).filter(|index| index % 7 != 5).zip(pictures).collect();
    let report = Report {
        manifest: &manifest(&kind)?,
        manifest_digest: Digest::of(kind.as_bytes()),
        summary: &summary,
        notes: &notes(&summary)?,
        thumbnails: &thumbnails,
        cancelled: kind == "cancelled",
    };
    std::fs::write(&out, render(&report)).with_context(|| format!("cannot write {out}"))
}

fn read_jpegs(folder: String) -> Result<Vec<Vec<u8>>> {
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| Ok(std::fs::read(path)?)).collect()
}

/// Numbers that look random and are the same in every run.
fn noise(index: u64) -> f64 {
    let mixed = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1u64 << 53) as f64
}

fn summary(kind: &str) -> Result<Summary> {
    let (images, classes, failing) = match kind {
        "mixed" => (12_480, 34, 0.014),
        "empty" => (0, 0, 0.0),
        "failed" => (37, 1, 1.0),
        "one-class" => (3, 1, 0.0),
        "thousand-classes" => (1_284_167, 1000, 0.000_02),
        "cancelled" => (8192, 10, 0.0),
        other => bail!("no kind of report is called {other:?}"),
    };
    let mut summary = Summary::default();
    for index in 0..images {
        let image = ImageRef::new(uri(index));
        let outcome = if noise(index) < failing { failure(index, kind) } else { success(index, classes) };
        summary.add(index, &outcome.into_row(&image, "squeezenet1.1@9f2c31d07ab4"));
    }
    Ok(summary)
}

fn uri(index: u64) -> String {
    match index % 41 {
        3 => "s3://photos/uploads/<script>alert(1)</script>.jpg".to_owned(),
        11 => format!("s3://photos/uploads/invoice\u{202e}gpj.{index}.exe"),
        17 => format!("s3://photos/{}/{}.jpeg", "very-long-folder-name_".repeat(9), "x".repeat(180)),
        29 => format!("s3://photos/写真/تصاویر/שבת שלום {index}.webp"),
        _ => format!("s3://photos/2026/{:02}/IMG_{:05}.jpg", index % 12 + 1, index % 100_000),
    }
}

fn success(index: u64, classes: u64) -> Outcome {
    let class = (noise(index ^ 0xabcd).powi(2) * classes as f64) as u64;
    let score = 0.04 + 0.96 * (1.0 - noise(index ^ 0x1234).powf(2.6));
    let (size, bytes) = match index % 5 {
        0 => ((4032, 3024), 2_900_000),
        1 => ((3024, 4032), 3_100_000),
        _ => ((500, 375), 110_576),
    };
    let error = (index % 997 == 5).then(|| RowError { code: ErrorCode::Truncated, message: "ends early".to_owned() });
    let top = vec![Label { label: label(class), index: class as u32, score }];
    Outcome { top, size: Some(size), bytes: Some(bytes), error }
}

fn label(class: u64) -> String {
    const NAMES: [&str; 14] = [
        "tabby cat",
        "golden retriever",
        "goldfish",
        "great white shark",
        "house finch",
        "chickadee",
        "American Staffordshire terrier, Staffordshire terrier, American pit bull terrier, pit bull terrier",
        "espresso",
        "mountain bike",
        "lighthouse",
        "acoustic guitar",
        "<b>bold</b> & co",
        "pizza",
        "umbrella",
    ];
    NAMES.get(class as usize).map_or_else(|| format!("class {class:03}"), |name| (*name).to_owned())
}

fn failure(index: u64, kind: &str) -> Outcome {
    const KINDS: [(ErrorCode, &str); 12] = [
        (ErrorCode::Undecodable, "JPEG: bad Huffman code after 3 of 48 rows"),
        (ErrorCode::NotFound, "no such object"),
        (ErrorCode::Truncated, "ends after 212 of 375 rows"),
        (ErrorCode::Unsupported, "starts with \"%PDF-1.7\": not an image that is read"),
        (ErrorCode::TooManyPixels, "20000 × 20000 pixels; at most 100000000 are allowed"),
        (ErrorCode::Timeout, "no result after 10 s, twice, alone"),
        (ErrorCode::Denied, "access denied"),
        (ErrorCode::TooLarge, "83886080 bytes; at most 67108864 are allowed"),
        (ErrorCode::FetchFailed, "connection reset <by peer> after 8 attempts: https://photos.example.org/a?b=c&d=e"),
        (ErrorCode::Changed, "ETag is \"b1\", was \"a0\""),
        (ErrorCode::Crashed, "ended by signal 11, twice, alone"),
        (ErrorCode::ModelFailed, "score 3 of 1000 is not a number"),
    ];
    let kinds = if kind == "failed" { 2 } else { KINDS.len() as u64 };
    let (code, message) = KINDS[(noise(index ^ 0x77).powi(2) * kinds as f64) as usize];
    Outcome::failed(code, message)
}

fn manifest(kind: &str) -> Result<Manifest> {
    let images = match kind {
        "empty" => Vec::new(),
        "cancelled" => vec![serde_json::from_value(image_file(20_000))?],
        _ => vec![serde_json::from_value(image_file(summary(kind)?.images))?],
    };
    Ok(Manifest {
        version: Manifest::VERSION,
        batch: format!("holiday-2026-{kind}").parse()?,
        arguments: vec!["s3://photos/2026/".to_owned(), "s3://photos/uploads/".to_owned()],
        task_size: 64,
        settings: Settings {
            model: ModelRef {
                uri: "s3://models/squeezenet1.1".to_owned(),
                digest: Digest::of(b"model"),
                id: "squeezenet1.1@9f2c31d07ab4".to_owned(),
            },
            top_k: 5,
            max_bytes: 64 << 20,
            max_pixels: 100_000_000,
            on_truncated: TruncationPolicy::Warn,
            image_timeout_s: 10,
            task_timeout_s: 120,
        },
        queue: Some("images".parse()?),
        parent: None,
        etl: Some(("nightly".to_owned(), 42)),
        images,
    })
}

fn image_file(count: u64) -> serde_json::Value {
    let digest = Digest::of(b"images");
    serde_json::json!({ "file": format!("images/{digest}.jsonl"), "count": count, "bytes": 0, "offsets": [0] })
}

fn notes(summary: &Summary) -> Result<RunNotes> {
    if summary.images == 0 {
        return Ok(RunNotes::default());
    }
    let session = |host: u64, started: &str, finished: &str| -> Result<Session> {
        Ok(Session {
            host: format!("worker-holiday-2026-{host}-x7k2p"),
            version: "0.1.0".to_owned(),
            threads: 4,
            started: started.parse()?,
            finished: finished.parse()?,
            images: summary.images / 2,
            cpu_seconds: summary.images as f64 * 0.0041,
        })
    };
    Ok(RunNotes {
        sessions: vec![
            session(0, "2026-11-23T14:02:09Z", "2026-11-23T14:02:27.4Z")?,
            session(1, "2026-11-23T14:02:11Z", "2026-11-23T14:02:41.9Z")?,
        ],
    })
}
