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

type Change = fn(&mut Vec<&str>);

fn drop_last(lines: &mut Vec<&str>) {
    lines.pop();
}

fn double_first(lines: &mut Vec<&str>) {
    lines.push(lines[0]);
}

fn swap(lines: &mut Vec<&str>) {
    lines.swap(1, 2);
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
    // Rows that are not in their places are missing in the sums of the Parquet file and of summary.json.
    for (change, expected) in [(drop_last as Change, [1, 0, 0, 2]), (double_first, [0, 1, 0, 0]), (swap, [0, 0, 2, 2])]
    {
        let batch = finished().await;
        batch.tamper(&batch.batch.layout().part(1).unwrap(), |text| {
            let mut lines: Vec<_> = text.lines().collect();
            change(&mut lines);
            lines.join("\n") + "\n"
        });
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
