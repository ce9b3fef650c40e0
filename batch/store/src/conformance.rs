//! What every kind of store must do: one suite, run against each of them. A check that does not hold panics and says
//! so.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::future::join_all;

use crate::error::StoreError;
use crate::key::Key;
use crate::store::{Created, Store};
use crate::unique::unique;

/// Enough for every object of the suite.
const LIMIT: u64 = 64 << 20;

/// Runs all checks below a folder of the store that nobody else uses, and removes it again.
pub async fn check(store: &Store) {
    let suite = Suite { store, folder: format!("conformance/{}", unique()) };
    suite.creates_once().await;
    suite.concurrent_creates_have_one_winner().await;
    suite.large_objects_appear_once_and_whole().await;
    suite.abandoned_writers_leave_nothing().await;
    suite.reads_with_limits().await;
    suite.overwrites_and_deletes().await;
    suite.lists_in_order().await;
    suite.lists_many_pages().await;
    suite.names_folders().await;
    store.probe().await.expect("a store that passes the suite passes the probe");
    suite.clean().await;
}

struct Suite<'a> {
    store: &'a Store,
    folder: String,
}

impl Suite<'_> {
    fn key(&self, name: &str) -> Key {
        Key::new(format!("{}/{name}", self.folder)).expect("a valid name")
    }

    async fn get(&self, name: &str) -> Option<Bytes> {
        self.store.get(&self.key(name), LIMIT).await.expect("reading works")
    }

    async fn create(&self, name: &str, content: impl Into<Bytes>) -> Created {
        self.store.create(&self.key(name), content.into()).await.expect("creating works")
    }

    async fn creates_once(&self) {
        assert_eq!(self.get("once/a").await, None, "an object that nobody created");
        assert_eq!(self.store.head(&self.key("once/a")).await.expect("head works"), None);
        assert_eq!(self.create("once/a", "first").await, Created::Now);
        assert_eq!(self.create("once/a", "second").await, Created::Before);
        assert_eq!(self.create("once/a", "first").await, Created::Before, "equal content is no success of ours");
        assert_eq!(self.get("once/a").await.as_deref(), Some(&b"first"[..]));
        assert_eq!(self.create("once/empty", "").await, Created::Now);
        assert_eq!(self.create("once/empty", "x").await, Created::Before);
        assert_eq!(self.get("once/empty").await.as_deref(), Some(&b""[..]));
        let meta = self.store.head(&self.key("once/a")).await.expect("head works").expect("it is there");
        assert_eq!(meta.size, 5);
        assert!(self.store.remembers_its_maker(&self.key("once/a")).await.expect("head works"), "metadata is lost");
        assert!(!meta.etag.is_empty() && !meta.etag.contains('"'), "{}", meta.etag);
    }

    async fn concurrent_creates_have_one_winner(&self) {
        let key = self.key("race/small");
        let outcomes = join_all((0..200).map(|n| {
            let content = Bytes::from(format!("writer {n}"));
            let (store, key) = (self.store.clone(), key.clone());
            async move { tokio::spawn(async move { store.create(&key, content).await }).await.expect("no panic") }
        }))
        .await;
        let winners: Vec<usize> = (0..200).filter(|&n| matches!(outcomes[n], Ok(Created::Now))).collect();
        let failures: Vec<&StoreError> = outcomes.iter().filter_map(|o| o.as_ref().err()).collect();
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!(winners.len(), 1, "winners: {winners:?}");
        assert_eq!(self.get("race/small").await.expect("it is there"), format!("writer {}", winners[0]));
    }

    async fn large_objects_appear_once_and_whole(&self) {
        let key = self.key("large/a");
        // Two and a half parts, in pieces that fit no part.
        let piece: Bytes = (0..1_000_003u32).map(|n| (n % 251) as u8).collect();
        let mut writers = Vec::new();
        for first in [b"A", b"B"] {
            let mut writer = self.store.create_stream(&key).await.expect("begun");
            writer.write(Bytes::from_static(first)).await.expect("written");
            for _ in 0..21 {
                writer.write(piece.clone()).await.expect("written");
            }
            writers.push(writer);
        }
        assert_eq!(self.get("large/a").await, None, "an unfinished object is visible");
        let second = writers.pop().expect("two writers").finish().await.expect("finished");
        let first = writers.pop().expect("two writers").finish().await.expect("finished");
        assert_eq!((second, first), (Created::Now, Created::Before));
        assert!(self.store.remembers_its_maker(&key).await.expect("head works"), "metadata of large objects is lost");

        let mut reader = self.store.reader(&key).await.expect("opened").expect("it is there");
        assert_eq!(reader.meta().size, 1 + 21 * piece.len() as u64);
        let mut at = 0;
        while let Some(chunk) = reader.chunk().await.expect("read") {
            assert!(!chunk.is_empty(), "an empty chunk at {at}");
            for &byte in &chunk {
                let expected = if at == 0 { b'B' } else { piece[(at - 1) % piece.len()] };
                assert!(byte == expected, "byte {at} is {byte}, not {expected}");
                at += 1;
            }
        }
        assert_eq!(at, 1 + 21 * piece.len(), "it ends early");

        // Small ones go another way.
        for (content, created) in [("small", Created::Now), ("other", Created::Before)] {
            let mut writer = self.store.create_stream(&self.key("large/small")).await.expect("begun");
            writer.write(Bytes::from(content)).await.expect("written");
            assert_eq!(writer.finish().await.expect("finished"), created);
        }
        assert_eq!(self.get("large/small").await.as_deref(), Some(&b"small"[..]));
        let writer = self.store.create_stream(&self.key("large/empty")).await.expect("begun");
        assert_eq!(writer.finish().await.expect("finished"), Created::Now);
        assert_eq!(self.get("large/empty").await.as_deref(), Some(&b""[..]));
    }

    async fn abandoned_writers_leave_nothing(&self) {
        let mut writer = self.store.create_stream(&self.key("abandoned/a")).await.expect("begun");
        writer.write(Bytes::from(vec![7; 9 << 20])).await.expect("written");
        writer.abort().await;
        let mut writer = self.store.create_stream(&self.key("abandoned/b")).await.expect("begun");
        writer.write(Bytes::from(vec![7; 9 << 20])).await.expect("written");
        drop(writer);
        assert_eq!(self.get("abandoned/a").await, None);
        assert_eq!(self.get("abandoned/b").await, None);
        assert!(self.list("abandoned/", None).await.is_empty());
    }

    async fn reads_with_limits(&self) {
        self.create("read/a", "0123456789").await;
        let key = self.key("read/a");
        assert_eq!(self.store.get(&key, 10).await.expect("fits").expect("there"), "0123456789");
        assert!(matches!(self.store.get(&key, 9).await, Err(StoreError::TooLarge { limit: 9, .. })));
        for (range, content) in
            [(0..10, "0123456789"), (2..5, "234"), (8..20, "89"), (10..20, ""), (30..40, ""), (5..5, "")]
        {
            let read = self.store.get_range(&key, range.clone()).await.expect("read").expect("there");
            assert_eq!(read, content, "{range:?}");
        }
        assert_eq!(self.store.get_range(&self.key("read/none"), 0..5).await.expect("read"), None);
        assert_eq!(self.store.get_range(&self.key("read/none"), 5..5).await.expect("read"), None);
        assert!(self.store.reader(&self.key("read/none")).await.expect("asked").is_none());
        assert_eq!(self.get("read").await, None, "a folder is no object");
    }

    async fn overwrites_and_deletes(&self) {
        let key = self.key("change/a");
        self.create("change/a", "first").await;
        let before = self.store.head(&key).await.expect("head works").expect("there");
        self.store.overwrite(&key, Bytes::from("second")).await.expect("overwritten");
        assert_eq!(self.get("change/a").await.as_deref(), Some(&b"second"[..]));
        let after = self.store.head(&key).await.expect("head works").expect("there");
        assert_ne!(before.etag, after.etag, "another content, another version");
        for _ in 0..2 {
            self.store.delete(&key).await.expect("deleting is idempotent");
            assert_eq!(self.get("change/a").await, None);
        }
        assert_eq!(self.create("change/a", "third").await, Created::Now, "a deleted name is free");
        self.store.overwrite(&self.key("change/new"), Bytes::from("x")).await.expect("overwriting creates");
        assert_eq!(self.get("change/new").await.as_deref(), Some(&b"x"[..]));
        self.store.delete(&self.key("change/never")).await.expect("deleting nothing is fine");
    }

    /// Names below the suite's folder.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Vec<String> {
        let full = |name: &str| format!("{}/{name}", self.folder);
        let mut pages = self.store.list(&full(prefix), after.map(full).as_deref());
        let mut names = Vec::new();
        while let Some(page) = pages.page().await.expect("listed") {
            assert!(!page.is_empty() && page.len() <= 1000, "a page of {}", page.len());
            let cut = self.folder.len() + 1;
            names.extend(page.iter().map(|key| key.as_str()[cut..].to_owned()));
        }
        names
    }

    async fn lists_in_order(&self) {
        // `-` and `.` sort before `/`, `0` and letters after it: a walk of directories gets that wrong easily.
        let names = ["l/a", "l/b-c", "l/b.c", "l/b/a", "l/b/z/y", "l/b0", "l/c", "l/c2/a", "m/a"];
        for name in names.iter().rev() {
            self.create(name, "x").await;
        }
        let with = |prefix: &str, after: &str| -> Vec<&str> {
            names.into_iter().filter(|name| name.starts_with(prefix) && *name > after).collect()
        };
        for prefix in ["l/", "l/b", "l/b/", "l/b/z", "l/c", "l/x", "l/b/z/y", "m", "n/"] {
            assert_eq!(self.list(prefix, None).await, with(prefix, ""), "prefix {prefix}");
            for after in ["l/", "l/a", "l/b", "l/b-c", "l/b/", "l/b/a", "l/b/zz", "l/b0", "l/c", "l/z", "m/a", "z"] {
                assert_eq!(self.list(prefix, Some(after)).await, with(prefix, after), "prefix {prefix}, after {after}");
            }
        }
    }

    async fn lists_many_pages(&self) {
        let mut created = BTreeSet::new();
        for batch in 0..22 {
            let names: Vec<String> = (0..100).map(|n| format!("many/{:04}", batch * 100 + n)).collect();
            let outcomes = join_all(names.iter().map(|name| self.create(name, "x"))).await;
            assert!(outcomes.iter().all(|o| *o == Created::Now));
            created.extend(names);
        }
        let listed = self.list("many/", None).await;
        assert!(listed.iter().eq(created.iter()), "{} listed, {} created", listed.len(), created.len());
        let listed = self.list("many/", Some("many/1099")).await;
        assert!(listed.iter().eq(created.iter().skip(1100)), "{} listed after the middle", listed.len());
    }

    async fn names_folders(&self) {
        for name in ["f/b1/manifest.json", "f/b1/parts/0", "f/b2/manifest.json", "f/file"] {
            self.create(name, "x").await;
        }
        let folders = async |name: &str| self.store.folders(&self.key(name)).await.expect("listed");
        assert_eq!(folders("f").await, ["b1", "b2"]);
        assert!(folders("f/none").await.is_empty());
        self.store.delete(&self.key("f/b2/manifest.json")).await.expect("deleted");
        assert_eq!(folders("f").await, ["b1"], "a folder vanishes with its last object");
    }

    async fn clean(&self) {
        let names = self.list("", None).await;
        for some in names.chunks(100) {
            join_all(some.iter().map(|name| async {
                self.store.delete(&self.key(name)).await.expect("deleted");
            }))
            .await;
        }
        assert!(self.list("", None).await.is_empty(), "something is left");
    }
}
