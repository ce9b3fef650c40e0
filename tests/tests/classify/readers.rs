//! The results are read by programs that are not ours.

use std::process::Command;

use crate::run::{Folder, run, text};

const READ: &str = r#"
import json, sys, duckdb, pyarrow.parquet as pq
out = sys.argv[1]
table = pq.read_table(f"{out}/results-00000.parquet").to_pylist()
parts = [json.loads(line) for path in sorted(__import__("glob").glob(f"{out}/parts/*.jsonl")) for line in open(path)]
assert table == parts, "pyarrow reads other rows than the parts hold"
counts = duckdb.sql(f"select status, count(*), count(label), sum(len(top)) from '{out}/results-*.parquet' group by 1 order by 1").fetchall()
summary = json.load(open(f"{out}/summary.json"))
print(json.dumps({"rows": len(table), "counts": counts, "ok": summary["ok"], "failed": summary["failed"]}))
"#;

#[test]
fn pyarrow_and_duckdb_read_the_rows_of_the_parts() {
    let python = std::env::var("PIXELMILL_TEST_PYTHON")
        .expect("PIXELMILL_TEST_PYTHON must name a Python with pyarrow and duckdb; `tests/run` makes one");
    let folder = Folder::with_images(30);
    folder.file("bad.png", b"no");
    let out = Folder::new();
    let place = out.path().join("batch");
    let args = ["classify", folder.path().to_str().unwrap(), "--out", place.to_str().unwrap(), "--task-size", "7"];
    assert!(run(&args).status.success());
    let output = Command::new(python).args(["-c", READ, place.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["rows"], 31);
    assert_eq!(read["counts"], serde_json::json!([["error", 1, 0, 0], ["ok", 30, 30, 150]]));
    assert_eq!((&read["ok"], &read["failed"]), (&30.into(), &1.into()));
}
