//! The suite that every store passes, here on S3: in memory, under faults, and on a real server if one is named.

use store::{Created, Options, Store, StoreError, conformance, create_bucket};

use super::{BUCKET, Pair};
use crate::s3::{Plan, S3Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_server_conforms() {
    let pair = Pair::start().await;
    conformance::check(&pair.store).await;
    assert!(pair.server.objects(BUCKET).is_empty(), "the suite left something");
    assert_eq!(pair.server.faults().injected(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_is_not_needed() {
    let server = S3Server::start().await.expect("a port is free");
    server.create_bucket(BUCKET);
    let store = Store::open_with("s3://results", &server.options()).await.expect("opened");
    conformance::check(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_are_made_where_there_are_none() {
    let server = S3Server::start().await.expect("a port is free");
    assert_eq!(create_bucket("photos", &server.options()).await.expect("made"), Created::Now);
    assert_eq!(create_bucket("photos", &server.options()).await.expect("there"), Created::Before);
    let refused = create_bucket("no bucket", &server.options()).await.expect_err("no name");
    assert!(matches!(refused, StoreError::Config { .. }), "{refused}");

    server.faults().seed(1);
    server.faults().set(|plan| (plan.slow_down, plan.reset_after) = (0.2, 0.2));
    for at in 0..10 {
        let name = format!("bucket-{at}");
        create_bucket(&name, &server.options()).await.expect("made although answers were lost");
        let store = Store::open_with(&format!("s3://{name}"), &server.options()).await.expect("opened");
        store.probe().await.expect("it can hold a store");
    }
    assert!(server.faults().injected() > 0);
}

/// The whole suite, the 200 concurrent creates among it, while one request in twenty is throttled and others are lost
/// on the way there or back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_under_faults() {
    let pair = Pair::start().await;
    pair.server.faults().seed(1);
    pair.server.faults().set(|plan| {
        *plan = Plan {
            slow_down: 0.05,
            reset_before: 0.02,
            reset_after: 0.05,
            error_after: 0.02,
            conflict: 0.05,
            cut: 0.05,
            cut_after: 100_000,
            ..Plan::default()
        }
    });
    conformance::check(&pair.store).await;
    let (injected, requests) = (pair.server.faults().injected(), pair.server.faults().requests());
    assert!(injected * 10 > requests, "only {injected} of {requests} requests went wrong");
}

/// `PIXELMILL_TEST_S3_URL=s3://bucket/prefix` and the `AWS_*` variables name the server; without them this is the
/// server of this process, reached as a user would: by nothing but its URL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_named_server_conforms() {
    let server = S3Server::start().await.expect("a port is free");
    server.create_bucket(BUCKET);
    let (url, options) = match std::env::var("PIXELMILL_TEST_S3_URL") {
        Ok(url) => (url, Options::default()),
        Err(_) => (format!("s3://{BUCKET}/named"), server.options()),
    };
    let store = Store::open_with(&url, &options).await.expect("opened");
    conformance::check(&store).await;
}

#[tokio::test]
async fn servers_that_ignore_conditions_are_refused() {
    let switches: [fn(&mut Plan); 2] =
        [|plan| plan.ignore_put_conditions = true, |plan| plan.ignore_upload_conditions = true];
    for ignore in switches {
        let pair = Pair::start().await;
        pair.store.probe().await.expect("it heeds conditions");
        pair.server.faults().set(ignore);
        let refused = pair.store.probe().await.expect_err("it ignores conditions");
        assert!(matches!(refused, StoreError::Config { .. }) && refused.exit_code() == 64, "{refused}");
        assert!(refused.to_string().contains("only if absent"), "{refused}");
        assert!(pair.server.objects(BUCKET).is_empty(), "the probe left something");
    }
}

#[tokio::test]
async fn what_cannot_work_is_told_at_once() {
    let server = S3Server::start().await.expect("a port is free");
    server.create_bucket(BUCKET);
    let refusal = async |url: &str, options: &Options| {
        let store = Store::open_with(url, options).await.expect("opened");
        let refused = store.probe().await.expect_err("it cannot work");
        assert_eq!(refused.exit_code(), 64, "{refused}");
        assert!(!format!("{refused} {refused:?}").contains("wrong-secret"), "{refused:?}");
        refused.to_string()
    };
    let told = refusal("s3://nowhere/x", &server.options()).await;
    assert!(told.contains("s3://nowhere/x") && told.contains("NoSuchBucket"), "{told}");
    let wrong = store::Credentials::new(crate::s3::ACCESS_KEY, "wrong-secret");
    let told = refusal("s3://results/x", &Options { credentials: Some(wrong), ..server.options() }).await;
    assert!(told.contains("SignatureDoesNotMatch") && told.contains("credentials"), "{told}");
    for endpoint in ["nonsense", "ftp://127.0.0.1:1", "http://"] {
        let options = Options { endpoint: Some(endpoint.into()), ..server.options() };
        let refused = Store::open_with("s3://results/x", &options).await.expect_err("that is no endpoint");
        assert!(refused.exit_code() == 64 && refused.to_string().contains(endpoint), "{refused}");
    }
    assert!(server.objects(BUCKET).is_empty(), "an unsigned request was served");
}
