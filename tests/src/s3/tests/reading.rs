//! Bodies that are cut, stall, change or crawl while they are read.

use std::time::Duration;

use bytes::Bytes;
use store::{Key, StoreError};

use super::{BUCKET, Pair};

fn key(name: &str) -> Key {
    Key::new(name).expect("a valid name")
}

fn content(size: usize) -> Bytes {
    (0..size).map(|n| (n * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn cut_bodies_go_on_where_they_were_cut() {
    let pair = Pair::start().await;
    let content = content(3_000_000);
    pair.server.put(BUCKET, "a/store/large", content.clone());
    pair.server.faults().set(|plan| (plan.cut, plan.cut_after) = (1.0, 700_000));
    let read = pair.store.get(&key("large"), 1 << 30).await.expect("read").expect("it is there");
    assert!(read == content, "other bytes came out");
    // At most 700,000 bytes a connection; a reset may take some of them back.
    assert!(pair.server.faults().injected() >= 5, "hardly anything was cut");
}

#[tokio::test]
async fn stalled_bodies_go_on_too() {
    let pair =
        Pair::with(|options| (options.idle, options.patience) = (Duration::from_millis(300), super::PATIENCE)).await;
    let content = content(500_000);
    pair.server.put(BUCKET, "a/store/large", content.clone());
    pair.server.faults().set(|plan| (plan.stall, plan.cut_after) = (1.0, 300_000));
    let read = pair.store.get(&key("large"), 1 << 30).await.expect("read").expect("it is there");
    assert!(read == content, "other bytes came out");
    // More than the two that it takes, where a busy machine looks like a stalled body.
    assert!(pair.server.faults().injected() >= 2, "nothing stalled");
}

#[tokio::test]
async fn slow_bodies_arrive() {
    let pair = Pair::start().await;
    let content = content(400_000);
    pair.server.put(BUCKET, "a/store/large", content.clone());
    pair.server.faults().set(|plan| plan.slow_body = Some(Duration::from_millis(20)));
    let read = pair.store.get(&key("large"), 1 << 30).await.expect("read").expect("it is there");
    assert!(read == content, "other bytes came out");
}

/// What is read is one version, or an error: never the beginning of one and the end of another.
#[tokio::test]
async fn another_version_is_never_mixed_in() {
    let pair = Pair::start().await;
    pair.server.put(BUCKET, "a/store/large", vec![1; 2_000_000]);
    pair.server.faults().set(|plan| (plan.cut, plan.cut_after) = (1.0, 500_000));
    let mut reader = pair.store.reader(&key("large")).await.expect("opened").expect("it is there");
    assert!(reader.chunk().await.expect("read").is_some());
    pair.server.put(BUCKET, "a/store/large", vec![2; 2_000_000]);
    let rest = reader.rest(1 << 30).await;
    assert!(matches!(rest, Err(StoreError::Changed { .. })), "{rest:?}");
}

#[tokio::test]
async fn bodies_that_never_end_well_are_given_up() {
    let pair = Pair::with(|options| options.patience = Duration::from_secs(1)).await;
    pair.server.put(BUCKET, "a/store/large", vec![1; 2_000_000]);
    pair.server.faults().set(|plan| (plan.cut, plan.cut_after) = (1.0, 0));
    let read = pair.store.get(&key("large"), 1 << 30).await;
    assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
    let range = pair.store.get_range(&key("large"), 0..100).await;
    assert!(matches!(range, Err(StoreError::Unavailable { .. })), "{range:?}");
}
