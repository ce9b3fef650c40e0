//! Images and listings from buckets and web servers.

use std::time::Duration;

use store::source::{Code, FetchError, Settings, Sources};

use super::PATIENCE;
use crate::s3::S3Server;

const BUCKET: &str = "photos";

async fn start(patience: Duration) -> (S3Server, Sources) {
    let server = S3Server::start().await.expect("a port is free");
    server.create_bucket(BUCKET);
    let mut options = server.options();
    options.patience = patience;
    let http_hosts = vec![server.url().to_owned()];
    let sources = Sources::new(Settings { options, http_hosts, file_roots: None }).expect("valid settings");
    (server, sources)
}

async fn etag(sources: &Sources, key: &str) -> String {
    let mut listing = sources.list_objects(BUCKET, key).await.expect("listed");
    listing.page().await.expect("listed").expect("it is there")[0].etag.clone()
}

fn code(result: Result<impl std::fmt::Debug, FetchError>) -> (Code, bool) {
    let error = result.expect_err("it cannot be fetched");
    (error.code(), error.is_transient())
}

#[tokio::test]
async fn objects_are_fetched_in_the_version_that_was_listed() {
    let (server, sources) = start(PATIENCE).await;
    // Keys of images are no names of ours.
    let key = "summer 2024/ä+b%20c?.jpg";
    let uri = format!("s3://{BUCKET}/{key}");
    server.put(BUCKET, key, "12345");
    let listed = etag(&sources, key).await;
    assert_eq!(sources.fetch(&uri, Some(&listed), 5).await.expect("fetched"), "12345");
    assert_eq!(sources.fetch(&uri, None, 5).await.expect("fetched"), "12345");
    assert_eq!(code(sources.fetch(&uri, None, 4).await), (Code::TooLarge, false));
    server.put(BUCKET, key, "54321");
    assert_eq!(code(sources.fetch(&uri, Some(&listed), 5).await), (Code::Changed, false));
    assert_eq!(code(sources.fetch("s3://photos/none", None, 5).await), (Code::NotFound, false));
    assert_eq!(code(sources.fetch("s3://nowhere/a", None, 5).await), (Code::FetchFailed, false));
    assert_eq!(code(sources.fetch("s3://photos", None, 5).await), (Code::FetchFailed, false));
    assert_eq!(code(sources.fetch("ftp://photos/a", None, 5).await), (Code::FetchFailed, false));
}

#[tokio::test]
async fn only_the_first_object_of_a_bucket_takes_the_whole_sdk() {
    let (server, sources) = start(PATIENCE).await;
    let keys = ["a", "a/b", "summer 2024/ä+b%20c?.jpg", "./a", "../a", "a//b", "~'()*!;:@&=$,[]#|\\\"<>`^{}", "日本"];
    for (at, key) in keys.iter().enumerate() {
        server.put(BUCKET, key, format!("object {at}"));
    }
    for (at, key) in keys.iter().enumerate() {
        let etag = server.etag(BUCKET, key);
        let fetched = sources.fetch(&format!("s3://{BUCKET}/{key}"), etag.as_deref(), 100).await.expect("fetched");
        assert_eq!(fetched, format!("object {at}"), "{key}");
        assert_eq!(server.faults().requests_by_the_sdk(), 1, "{key}");
    }
    // Who refuses is asked again with all that the SDK does, because its answers are understood there.
    assert_eq!(code(sources.fetch("s3://photos/none", None, 5).await), (Code::NotFound, false));
    assert_eq!(server.faults().requests_by_the_sdk(), 2);
    assert_eq!(code(sources.fetch("s3://photos/a", Some("other"), 5).await), (Code::Changed, false));
    assert_eq!(server.faults().requests_by_the_sdk(), 3);
    sources.fetch("s3://photos/a", None, 100).await.expect("fetched");
    assert_eq!(server.faults().requests_by_the_sdk(), 3, "that does not mean that the SDK is needed");
}

#[tokio::test]
async fn a_server_that_wants_the_whole_sdk_gets_it() {
    let (server, sources) = start(PATIENCE).await;
    server.put(BUCKET, "a", "12345");
    server.faults().set(|plan| plan.only_the_sdk = true);
    for round in 1..10 {
        assert_eq!(sources.fetch("s3://photos/a", None, 5).await.expect("fetched"), "12345");
        assert_eq!(server.faults().requests_by_the_sdk(), round);
    }
    assert_eq!(server.faults().requests(), 9 + 3, "refused three times, and not tried again");
}

#[tokio::test]
async fn a_busy_server_is_asked_again_by_the_sdk_and_then_as_before() {
    let (server, sources) = start(PATIENCE).await;
    server.put(BUCKET, "a", "12345");
    let fetch = async || assert_eq!(sources.fetch("s3://photos/a", None, 5).await.expect("fetched"), "12345");
    fetch().await;
    for round in 2..6 {
        server.faults().set(|plan| plan.busy_but_for_the_sdk = true);
        fetch().await;
        assert_eq!(server.faults().requests_by_the_sdk(), round);
        server.faults().heal();
        fetch().await;
        assert_eq!(server.faults().requests_by_the_sdk(), round, "whoever is busy refuses nothing");
    }
}

#[tokio::test]
async fn faults_pass_or_are_transient() {
    let (server, sources) = start(PATIENCE).await;
    server.put(BUCKET, "a", vec![7; 300_000]);
    server.faults().set(|plan| {
        (plan.slow_down, plan.reset_before, plan.cut, plan.cut_after) = (0.3, 0.2, 0.3, 100_000);
    });
    for _ in 0..10 {
        assert_eq!(sources.fetch("s3://photos/a", None, 1 << 20).await.expect("fetched").len(), 300_000);
    }
    assert!(server.faults().injected() > 5);
    drop((server, sources));

    let (server, sources) = start(Duration::from_secs(1)).await;
    server.put(BUCKET, "a", "1");
    server.faults().set(|plan| plan.outage = true);
    assert_eq!(code(sources.fetch("s3://photos/a", None, 5).await), (Code::FetchFailed, true));
    let web = format!("{}/photos/a", server.url());
    assert_eq!(code(sources.fetch(&web, None, 5).await), (Code::FetchFailed, true));
}

#[tokio::test]
async fn the_web_is_asked_only_where_it_is_allowed() {
    let (server, sources) = start(PATIENCE).await;
    // Unsigned requests are refused by this server: enough to see that it was asked.
    assert_eq!(code(sources.fetch(&format!("{}/photos/a", server.url()), None, 5).await), (Code::Denied, false));
    let before = server.faults().requests();
    let other = S3Server::start().await.expect("a port is free");
    assert_eq!(code(sources.fetch(&format!("{}/photos/a", other.url()), None, 5).await), (Code::Denied, false));
    assert_eq!(code(sources.fetch(&server.url().replace("http:", "https:"), None, 5).await), (Code::Denied, false));
    assert_eq!(
        (other.faults().requests(), server.faults().requests()),
        (0, before),
        "a host was asked that is not allowed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_are_complete_and_sorted_whatever_the_tree() {
    let (server, sources) = start(PATIENCE).await;
    for n in 0..2500 {
        server.put(BUCKET, &format!("flat/{n:05}.jpg"), "x");
        server.put(BUCKET, &format!("deep/only/tree/{:02}/{n:05}.jpg", n % 37), "x");
        server.put(BUCKET, &format!("single/{n:05}/a.jpg"), "x");
        server.put(BUCKET, &format!("mixed/{}{n}", if n % 5 == 0 { "a/" } else { "b" }), "x");
    }
    server.put(BUCKET, "mixed/c/", "");
    server.put(BUCKET, "deep/only/tree/05/", "");
    let all: Vec<String> = server.objects(BUCKET).into_keys().collect();
    for prefix in ["", "flat/", "flat/02", "deep/", "deep", "single/", "mixed/", "mixed/a", "none/"] {
        let mut listing = sources.list_objects(BUCKET, prefix).await.expect("listed");
        let mut keys = Vec::new();
        while let Some(page) = listing.page().await.expect("listed") {
            assert!(
                !page.is_empty() && page.iter().all(|object| !object.etag.is_empty() && object.last_modified.is_some())
            );
            keys.extend(page.into_iter().map(|object| object.key));
        }
        let expected: Vec<&String> = all.iter().filter(|key| key.starts_with(prefix)).collect();
        assert!(keys.iter().eq(expected.iter().copied()), "{prefix:?}: {} of {}", keys.len(), expected.len());
    }
    assert!(sources.list_objects("nowhere", "").await.is_err_and(|e| e.exit_code() == 64));
}
