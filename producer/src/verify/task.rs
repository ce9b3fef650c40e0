//! One task: its part against its images.

use std::collections::HashMap;
use std::ops::Range;

use batch::{BatchError, ImageRef, Row, Status, StoredBatch};
use program::Failure;

use super::findings::{Findings, Kind};
use crate::stored_part::StoredPart;

/// The images of a task with their rows, and what is wrong with them.
pub(super) struct CheckedTask {
    /// By their index in the batch.
    pub(super) images: Range<u64>,
    /// One per image: its row, if there is exactly that in its place.
    pub(super) rows: Vec<Option<Row>>,
    problems: Vec<Problem>,
}

#[derive(Debug, PartialEq)]
struct Problem {
    kind: Kind,
    count: u64,
    text: String,
}

impl CheckedTask {
    pub(super) async fn read(batch: &StoredBatch, task: u64) -> Result<Self, Failure> {
        let images = batch.manifest.task_images(task);
        let count = (images.end - images.start) as usize;
        let nothing = |kind, text| {
            let problems = vec![Problem { kind, count: count as u64, text }];
            Self { images: images.clone(), rows: vec![None; count], problems }
        };
        let key = batch.layout().part(task)?;
        let rows = match StoredPart::read(batch, task).await? {
            StoredPart::Rows(rows) => rows,
            StoredPart::Damaged(reason) => return Ok(nothing(Kind::Wrong, format!("{key}: {reason}"))),
            StoredPart::Missing => {
                let text = format!("{key} is missing: images {} to {}", images.start, images.end - 1);
                return Ok(nothing(Kind::Missing, text));
            }
        };
        let listed = match batch.images.read(images.clone()).await {
            Ok(listed) => listed,
            Err(error @ BatchError::Damaged { .. }) => return Ok(nothing(Kind::Wrong, error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let (rows, mut problems) = compare(rows, &listed, &batch.manifest.settings.model.id);
        problems.iter_mut().for_each(|problem| problem.text = format!("{key}: {}", problem.text));
        Ok(Self { images, rows, problems })
    }

    /// Tells what is wrong.
    pub(super) fn report(&self, findings: &Findings) -> Result<(), Failure> {
        self.problems.iter().try_for_each(|problem| findings.add_many(problem.kind, problem.count, &problem.text))
    }
}

fn compare(rows: Vec<Row>, images: &[ImageRef], model: &str) -> (Vec<Option<Row>>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut problem = |kind, text| problems.push(Problem { kind, count: 1, text });
    // Rows that every image has at all, wherever they stand: the same image twice needs two of them.
    let mut surplus: HashMap<(&str, Option<&str>), i64> = HashMap::new();
    rows.iter().for_each(|row| *surplus.entry((&row.image, row.id.as_deref())).or_default() += 1);
    images.iter().for_each(|image| *surplus.entry((&image.uri, image.id.as_deref())).or_default() -= 1);
    let mut unequal: Vec<_> = surplus.into_iter().filter(|(_, surplus)| *surplus != 0).collect();
    unequal.sort_unstable();
    for ((image, _), surplus) in &unequal {
        match surplus {
            ..0 => problem(Kind::Missing, format!("{} row(s) too few for {image}", -surplus)),
            _ => problem(Kind::Duplicate, format!("{surplus} row(s) too many for {image}")),
        }
    }
    let complete = unequal.is_empty();
    drop(unequal);
    for (at, row) in rows.iter().enumerate() {
        if let Some(reason) = flaw(row, model) {
            problem(Kind::Wrong, format!("line {}, {}: {reason}", at + 1, row.image));
        }
    }
    let mut rows = rows.into_iter();
    let mut in_place = |(at, image): (usize, &ImageRef)| {
        let row = rows.next()?;
        if row.image == image.uri && row.id == image.id {
            return Some(row);
        }
        if complete {
            problem(Kind::Order, format!("line {} is the row of {}, not of {}", at + 1, row.image, image.uri));
        }
        None
    };
    let rows = images.iter().enumerate().map(&mut in_place).collect();
    (rows, problems)
}

/// What is wrong with a row in itself.
fn flaw(row: &Row, model: &str) -> Option<String> {
    if row.model != model {
        return Some(format!("its model is {}, not {model}", row.model));
    }
    let best = row.top.first();
    let labelled = best.is_some() && row.label.is_some() && row.score.is_some();
    match row.status {
        Status::Ok if !labelled => Some("its status is ok, without a label".into()),
        Status::Ok
            if row.label.as_ref() != best.map(|best| &best.label) || row.score != best.map(|best| best.score) =>
        {
            Some("its label is not the first of its top labels".into())
        }
        Status::Ok if !row.top.is_sorted_by(|a, b| a.score >= b.score) => Some("its top labels are not sorted".into()),
        Status::Error if row.error.is_none() => Some("its status is error, without an error".into()),
        Status::Error if row.label.is_some() || best.is_some() => Some("its status is error, with a label".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use batch::{ErrorCode, Label, Outcome};

    fn images() -> Vec<ImageRef> {
        ["a", "b", "a"].map(ImageRef::new).to_vec()
    }

    fn row(uri: &str) -> Row {
        Outcome::failed(ErrorCode::NotFound, "no").into_row(&ImageRef::new(uri), "m")
    }

    fn kinds(uris: &[&str]) -> Vec<(Kind, u64)> {
        let (rows, problems) = compare(uris.iter().map(|uri| row(uri)).collect(), &images(), "m");
        assert_eq!(rows.len(), 3);
        problems.into_iter().map(|problem| (problem.kind, problem.count)).collect()
    }

    #[test]
    fn every_kind_of_difference_has_its_name() {
        assert_eq!(kinds(&["a", "b", "a"]), []);
        assert_eq!(kinds(&["a", "b"]), [(Kind::Missing, 1)]);
        assert_eq!(kinds(&["a", "b", "a", "b"]), [(Kind::Duplicate, 1)]);
        assert_eq!(kinds(&["a", "a", "b"]), [(Kind::Order, 1), (Kind::Order, 1)]);
        assert_eq!(kinds(&["a", "b", "x"]), [(Kind::Missing, 1), (Kind::Duplicate, 1)]);
    }

    #[test]
    fn a_row_that_contradicts_itself_is_wrong() {
        let good = row("a");
        assert_eq!(flaw(&good, "m"), None);
        assert!(flaw(&good, "other").is_some());
        assert!(flaw(&Row { error: None, ..good.clone() }, "m").is_some());
        assert!(flaw(&Row { status: Status::Ok, ..good.clone() }, "m").is_some());
        let top = vec![Label { label: "cat".into(), index: 0, score: 0.5 }];
        let ok = Outcome { top, size: None, bytes: None, error: None }.into_row(&ImageRef::new("a"), "m");
        assert_eq!(flaw(&ok, "m"), None);
        assert!(flaw(&Row { label: Some("dog".into()), ..ok.clone() }, "m").is_some());
        assert!(flaw(&Row { status: Status::Error, ..ok }, "m").is_some());
    }
}
