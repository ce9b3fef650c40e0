//! The ledger against a set in memory, over any runs; and against damage of any byte.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Found, Known, Ledger, LedgerError};
use store::{Created, Store};

/// What a run took: names, each with an ETag.
type Run = BTreeMap<String, String>;

async fn folder() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).await.unwrap();
    (folder, Ledger::new(store, "ledger/"))
}

async fn add(ledger: &Ledger, run: u64, taken: &Run) -> Created {
    let mut leaf = ledger.leaf(run).await.unwrap();
    for (name, etag) in taken {
        leaf.push(name, etag).await.unwrap();
    }
    leaf.finish().await.unwrap()
}

async fn ask(ledger: &Ledger, last: u64, listing: &Run) -> Result<Vec<Found>, LedgerError> {
    let mut known = Known::new(ledger.segments(last).await?).await?;
    let mut found = Vec::new();
    for (name, etag) in listing {
        found.push(known.find(name, etag).await?);
    }
    known.finish().await?;
    Ok(found)
}

/// A fixed generator (xorshift), so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % end
    }

    /// Few names and few ETags, so that they meet: names that are the beginning of others, bytes above ASCII, every form
    /// of an ETag.
    fn run(&mut self, most: usize) -> Run {
        let count = 1 + self.below(most);
        let version = |random: &mut Self| {
            let name = match random.below(3) {
                0 => format!("s3://b/{:02}.jpg", random.below(100)),
                _ => (0..1 + random.below(4)).map(|_| ['a', 'b', '/', 'é'][random.below(4)]).collect(),
            };
            let hex = format!("{:032x}", 7 + random.below(2));
            let etag = match random.below(4) {
                0 => format!("{hex}-2"),
                1 => ["", "x", "\"-", "0"][random.below(4)].to_owned(),
                _ => hex,
            };
            (name, etag)
        };
        (0..count).map(|_| version(self)).collect()
    }
}

#[tokio::test]
async fn it_says_what_a_set_says() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for round in 0..60 {
        let (_folder, ledger) = folder().await;
        let (mut versions, mut names) = (BTreeSet::new(), BTreeSet::new());
        let runs = random.below(40) as u64;
        for run in 1..=runs {
            let taken = random.run(12);
            add(&ledger, run, &taken).await;
            if random.below(4) == 0 {
                ledger.merge(run).await.unwrap();
            }
            names.extend(taken.keys().cloned());
            versions.extend(taken);
        }
        let listing = random.run(60);
        let expected = |(name, etag): (&String, &String)| match versions.contains(&(name.clone(), etag.clone())) {
            true => Found::Known,
            false if names.contains(name) => Found::Overwritten,
            false => Found::New,
        };
        let expected: Vec<_> = listing.iter().map(expected).collect();
        assert_eq!(ask(&ledger, runs, &listing).await.unwrap(), expected, "round {round}");
    }
}

fn numbered(names: std::ops::Range<u32>, etag: &str) -> Run {
    names.map(|at| (format!("s3://photos/{at:05}.jpg"), etag.to_owned())).collect()
}

#[tokio::test]
async fn runs_are_merged_in_any_order_and_by_anyone() {
    let (folder, ledger) = folder().await;
    for run in 1..=300 {
        assert_eq!(add(&ledger, run, &numbered(run as u32..run as u32 + 3, "x")).await, Created::Now);
    }
    assert_eq!(add(&ledger, 7, &numbered(0..1, "x")).await, Created::Before);
    let objects = || std::fs::read_dir(folder.path().join("ledger")).unwrap().count();
    let before = ask(&ledger, 300, &numbered(0..400, "x")).await.unwrap();
    assert_eq!(objects(), 300);
    ledger.merge(300).await.unwrap();
    // 1 to 256 and what it is made of, 257 to 272, 273 to 288.
    assert_eq!(objects(), 300 + 17 + 2);
    assert_eq!(ask(&ledger, 300, &numbered(0..400, "x")).await.unwrap(), before);
    assert_eq!(before.iter().filter(|found| **found == Found::Known).count(), 302);
    assert_eq!(ask(&ledger, 300, &numbered(1..2, "y")).await.unwrap(), [Found::Overwritten]);
    let (one, other) = (folder.path().join("ledger/00000001-00000256.seg"), folder.path().join("kept"));
    std::fs::rename(&one, &other).unwrap();
    tokio::try_join!(ledger.merge(300), ledger.merge(300)).unwrap();
    assert_eq!(std::fs::read(one).unwrap(), std::fs::read(other).unwrap());
}

#[tokio::test]
async fn damage_is_found_wherever_it_is() {
    let (folder, ledger) = folder().await;
    add(&ledger, 1, &numbered(0..20, "00112233445566778899aabbccddeeff")).await;
    let path = folder.path().join("ledger/00000001-00000001.seg");
    let good = std::fs::read(&path).unwrap();
    let listing = numbered(0..25, "00112233445566778899aabbccddeeff");
    for at in 0..good.len() {
        for damaged in [good[..at].to_vec(), [&good[..at], &[good[at] ^ 0x21], &good[at + 1..]].concat()] {
            std::fs::write(&path, damaged).unwrap();
            let found = ask(&ledger, 1, &listing).await;
            assert!(matches!(found, Err(LedgerError::Damaged { .. })), "byte {at}: {found:?}");
        }
    }
    std::fs::write(&path, [&good[..], b"x"].concat()).unwrap();
    assert!(ask(&ledger, 1, &listing).await.is_err());
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(ask(&ledger, 1, &listing).await, Err(LedgerError::Missing { run: 1 })));
    assert!(matches!(ledger.merge(1).await, Err(LedgerError::Missing { run: 1 })));
}

#[tokio::test]
async fn names_out_of_order_are_refused() {
    let (_folder, ledger) = folder().await;
    let mut leaf = ledger.leaf(1).await.unwrap();
    leaf.push("b", "x").await.unwrap();
    for name in ["b", "a", ""] {
        assert!(matches!(leaf.push(name, "y").await, Err(LedgerError::Order { .. })), "{name}");
    }
    assert!(leaf.push(&"c".repeat(5000), "x").await.is_err());
    leaf.push("bb", "x").await.unwrap();
    leaf.finish().await.unwrap();
    let mut known = Known::new(ledger.segments(1).await.unwrap()).await.unwrap();
    assert_eq!(known.find("b", "x").await.unwrap(), Found::Known);
    assert!(matches!(known.find("b", "x").await, Err(LedgerError::Order { .. })));
}
