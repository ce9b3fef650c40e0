//! Damage of every kind, and that it is found.

use batch::{State, StoredBatch};

use super::findings::{Findings, Kind};
use super::inspect;
use crate::fixture::Fixture;

async fn found(fixture: &Fixture) -> [u64; 4] {
    let findings = Findings::new(0);
    // As a new process sees it: nothing is remembered from before.
    let batch = StoredBatch::find(&fixture.store, fixture.batch.layout().clone()).await.unwrap().unwrap();
    let state = batch.state().await.unwrap();
    inspect(&batch, state, &findings).await.unwrap();
    [Kind::Missing, Kind::Duplicate, Kind::Order, Kind::Wrong].map(|kind| findings.of(kind))
}

async fn finished() -> Fixture {
    let fixture = Fixture::new(25).await;
    fixture.finish().await;
    fixture
}

fn lines(text: &str, change: impl FnOnce(&mut Vec<&str>)) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    change(&mut lines);
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn a_finished_batch_is_right_and_an_open_one_lacks_rows() {
    assert_eq!(found(&finished().await).await, [0; 4]);
    let open = Fixture::new(25).await;
    open.work(1).await;
    assert_eq!(open.batch.state().await.unwrap(), State::Open);
    assert_eq!(found(&open).await, [15, 0, 0, 0]);
}

#[tokio::test]
async fn rows_that_are_missing_double_or_swapped_are_found() {
    let change: [(fn(&mut Vec<&str>), [u64; 4]); 3] = [
        // The sums of the Parquet file and of summary.json do not fit either.
        (|lines| lines.truncate(lines.len() - 1), [1, 0, 0, 2]),
        (|lines| lines.push(lines[0]), [0, 1, 0, 0]),
        (|lines| lines.swap(1, 2), [0, 0, 2, 2]),
    ];
    for (change, expected) in change {
        let batch = finished().await;
        batch.tamper(&batch.batch.layout().part(1).unwrap(), |text| lines(&text, change));
        assert_eq!(found(&batch).await, expected);
    }
}

#[tokio::test]
async fn a_part_and_its_parquet_file_must_agree_in_every_column() {
    for (from, to) in
        [("\"width\":2", "\"width\":7"), ("0.75", "0.74"), ("\"cat\"", "\"dog\""), ("undecodable", "truncated")]
    {
        let batch = finished().await;
        batch.tamper(&batch.batch.layout().part(0).unwrap(), |text| text.replace(from, to));
        let [missing, duplicate, order, wrong] = found(&batch).await;
        assert_eq!([missing, duplicate, order], [0; 3]);
        // Two or eight rows, the file's sums, and summary.json.
        assert_eq!(wrong, if from == "undecodable" { 4 } else { 10 }, "{from}");
    }
}

#[tokio::test]
async fn images_sums_and_success_are_checked() {
    let batch = finished().await;
    let layout = batch.batch.layout();
    batch.tamper(&layout.summary().unwrap(), |text| text.replace("\"ok\": 20", "\"ok\": 21"));
    assert_eq!(found(&batch).await, [0, 0, 0, 1]);
    batch.tamper(&layout.success().unwrap(), |text| text.replace(|c: char| c.is_ascii_digit(), "f"));
    assert_eq!(found(&batch).await, [0, 0, 0, 2]);
    let images = layout.images(&batch.batch.manifest.images[0].file).unwrap();
    batch.tamper(&images, |text| text.replace("s3://b/3.jpg", "s3://b/x.jpg"));
    // The digest, a row that is of another image, and sums over one row less.
    assert_eq!(found(&batch).await, [1, 1, 0, 4]);
    batch.store.delete(&layout.results(0).unwrap()).await.unwrap();
    assert_eq!(found(&batch).await, [1, 1, 0, 4]);
}
