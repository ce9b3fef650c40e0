//! Lost answers, throttling and outages while objects are created.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use store::{Created, Key, Store, StoreError};

use super::{BUCKET, Pair};

fn key(name: &str) -> Key {
    Key::new(name).expect("a valid name")
}

/// Which of 200 concurrent creates of one key say that they made it.
async fn race(store: &Store, name: &str) -> Vec<usize> {
    let creates = (0..200).map(|n| {
        let (store, key) = (store.clone(), key(name));
        tokio::spawn(async move { store.create(&key, Bytes::from(format!("writer {n}"))).await })
    });
    let outcomes = join_all(creates).await.into_iter().map(|outcome| outcome.expect("no panic").expect("created"));
    outcomes.enumerate().filter(|(_, created)| *created == Created::Now).map(|(n, _)| n).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_200_wins_whatever_gets_lost() {
    for seed in [1, 2] {
        let pair = Pair::start().await;
        pair.server.faults().seed(seed);
        pair.server.faults().set(|plan| {
            plan.slow_down = 0.05;
            plan.reset_after = 0.1;
            plan.error_after = 0.05;
            plan.conflict = 0.05;
        });
        let winners = race(&pair.store, "one").await;
        assert!(pair.server.faults().injected() > 20, "hardly anything went wrong");
        assert_eq!(winners.len(), 1, "seed {seed}, winners: {winners:?}");
        let content = &pair.server.objects(BUCKET)["a/store/one"];
        assert_eq!(content, &Bytes::from(format!("writer {}", winners[0])));
    }
}

/// The first answer is lost for sure: the call must recognise what it made itself, and nothing else.
#[tokio::test]
async fn a_lost_answer_is_no_loss() {
    let pair = Pair::start().await;
    for (name, large) in [("small", false), ("large", true)] {
        for exists in [false, true] {
            let key = key(&format!("{name}-{exists}"));
            let content = Bytes::from(vec![1; if large { 9 << 20 } else { 10 }]);
            if exists {
                // Equal content: only the maker tells the two apart.
                assert_eq!(create(&pair.store, &key, content.clone(), large, || ()).await, Created::Now);
            }
            let faults = pair.server.faults();
            let before = faults.injected();
            let created = create(&pair.store, &key, content, large, || {
                faults.set(|plan| (plan.reset_after, plan.only) = (1.0, key.to_string()));
                heal_after_one_fault(&pair);
            })
            .await;
            assert!(faults.injected() > before, "no answer was lost");
            assert_eq!(created, if exists { Created::Before } else { Created::Now }, "{key}");
        }
    }
    assert_eq!(pair.server.open_uploads(), 0, "unfinished uploads are left");
}

#[tokio::test]
async fn a_server_that_forgets_metadata_is_safe() {
    let pair = Pair::start().await;
    pair.server.faults().set(|plan| (plan.reset_after, plan.forget_metadata) = (1.0, true));
    heal_after_one_fault(&pair);
    assert_eq!(pair.store.create(&key("a"), Bytes::from("x")).await.expect("created"), Created::Before);
    assert_eq!(pair.server.objects(BUCKET)["a/store/a"], "x");
}

async fn create(store: &Store, key: &Key, content: Bytes, large: bool, before_the_end: impl FnOnce()) -> Created {
    if large {
        let mut writer = store.create_stream(key).await.expect("begun");
        writer.write(content).await.expect("written");
        before_the_end();
        writer.finish().await.expect("finished")
    } else {
        before_the_end();
        store.create(key, content).await.expect("created")
    }
}

fn heal_after_one_fault(pair: &Pair) {
    let faults = pair.server.faults().clone();
    let before = faults.injected();
    tokio::spawn(async move {
        while faults.injected() == before {
            tokio::task::yield_now().await;
        }
        faults.heal();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_survived() {
    let pair = Pair::start().await;
    let faults = pair.server.faults();
    pair.store.create(&key("before"), Bytes::from("x")).await.expect("created");
    faults.set(|plan| plan.outage = true);
    let calls = tokio::spawn({
        let store = pair.store.clone();
        async move {
            let created = store.create(&key("during"), Bytes::from("x")).await.expect("created in the end");
            let read = store.get(&key("before"), 10).await.expect("read in the end");
            (created, read)
        }
    });
    // The outage lasts until several attempts have failed, however long that takes.
    let deadline = Instant::now() + Duration::from_secs(60);
    while faults.injected() < 4 {
        assert!(Instant::now() < deadline, "nobody tries");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!calls.is_finished());
    faults.heal();
    let (created, read) = tokio::time::timeout(super::PATIENCE, calls).await.expect("in time").expect("no panic");
    assert_eq!((created, read), (Created::Now, Some(Bytes::from("x"))));
}

#[tokio::test]
async fn an_outage_without_end_is_unavailable() {
    let pair = Pair::with(|options| options.patience = Duration::from_secs(3)).await;
    pair.server.faults().set(|plan| plan.outage = true);
    let failed = pair.store.create(&key("a"), Bytes::new()).await.expect_err("nobody answers");
    assert!(matches!(failed, StoreError::Unavailable { .. }) && failed.exit_code() == 75, "{failed}");
    assert!(failed.to_string().contains("s3://results/a/store/a"), "{failed}");
    assert!(pair.server.faults().injected() > 1, "it did not try again");
    assert!(pair.store.list("", None).page().await.is_err_and(|e| e.is_retryable()));
}

#[tokio::test]
async fn silence_is_a_fault_too() {
    let pair =
        Pair::with(|options| (options.idle, options.patience) = (Duration::from_millis(300), super::PATIENCE)).await;
    pair.server.faults().set(|plan| plan.hang = 1.0);
    heal_after_one_fault(&pair);
    assert_eq!(pair.store.create(&key("a"), Bytes::from("x")).await.expect("created"), Created::Now);
    assert_eq!(pair.server.faults().injected(), 1);
}

#[tokio::test]
async fn abandoned_uploads_are_removed() {
    let pair = Pair::start().await;
    let writer = async |name: &str| {
        let mut writer = pair.store.create_stream(&key(name)).await.expect("begun");
        writer.write(Bytes::from(vec![1; 9 << 20])).await.expect("written");
        writer
    };
    let (first, second, third) = (writer("a").await, writer("b").await, writer("b").await);
    assert_eq!(pair.server.open_uploads(), 3);
    first.abort().await;
    assert_eq!(second.finish().await.expect("finished"), Created::Now);
    assert_eq!(third.finish().await.expect("finished"), Created::Before);
    assert_eq!(pair.server.open_uploads(), 0, "a refused upload is left");
    drop(writer("c").await);
    let deadline = Instant::now() + Duration::from_secs(30);
    while pair.server.open_uploads() > 0 {
        assert!(Instant::now() < deadline, "a dropped upload is left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(pair.server.objects(BUCKET).len(), 1);
}
