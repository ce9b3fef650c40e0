//! The summary of a batch: counts that merge in any order, and the images worth a look.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::row::{ErrorCode, Row};

/// Bars of the confidence histogram: bar *i* counts scores of `[i/20, (i + 1)/20)`, the last one 1.0 too.
const BARS: usize = 20;
/// How many of the least certain images are named.
const LEAST_CERTAIN: usize = 24;
/// How many examples of each error code are named.
const EXAMPLES: usize = 5;

/// Counts over rows. Partial summaries merge into the one of the whole batch, whatever the order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Rows.
    pub images: u64,
    /// Rows with a label.
    pub ok: u64,
    /// Rows without one.
    pub failed: u64,
    /// Rows with a label and the warning `truncated`.
    pub warnings: u64,
    /// Failed rows by code.
    pub errors: BTreeMap<ErrorCode, u64>,
    /// Labelled rows by label.
    pub classes: BTreeMap<String, u64>,
    /// Labelled rows by score, in 20 bars of equal width.
    pub confidence: [u64; BARS],
    /// Bytes of all files whose size is known.
    pub bytes: u64,
    /// Pixels of all images whose size is known.
    pub pixels: u64,
    /// Largest width and height seen, in pixels.
    pub largest: (u32, u32),
    /// The labelled rows with the lowest scores, lowest first, ties by index.
    pub least_certain: Vec<Uncertain>,
    /// The first failed rows of each code, by index.
    pub examples: BTreeMap<ErrorCode, Vec<Example>>,
}

/// A labelled image with a low score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uncertain {
    /// Its index in the batch.
    pub index: u64,
    /// Its URI.
    pub image: String,
    /// Its best label.
    pub label: String,
    /// The score of that label.
    pub score: f64,
}

/// A failed image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Its index in the batch.
    pub index: u64,
    /// Its URI.
    pub image: String,
    /// Why it failed.
    pub message: String,
}

impl Summary {
    /// Counts one row, the `index`-th of the batch.
    pub fn add(&mut self, index: u64, row: &Row) {
        self.images += 1;
        self.bytes += row.bytes.unwrap_or(0);
        if let (Some(width), Some(height)) = (row.width, row.height) {
            self.pixels += u64::from(width) * u64::from(height);
            self.largest = (self.largest.0.max(width), self.largest.1.max(height));
        }
        match (&row.label, row.score, &row.error) {
            (Some(label), Some(score), warning) => {
                self.ok += 1;
                self.warnings += u64::from(warning.is_some());
                *self.classes.entry(label.clone()).or_default() += 1;
                self.confidence[((score * BARS as f64) as usize).min(BARS - 1)] += 1;
                self.add_uncertain(index, row, label, score);
            }
            (_, _, Some(error)) => {
                self.failed += 1;
                *self.errors.entry(error.code).or_default() += 1;
                let examples = self.examples.entry(error.code).or_default();
                let example = || Example { index, image: row.image.clone(), message: error.message.clone() };
                insert_bounded(examples, EXAMPLES, index, |example| example.index, example);
            }
            // Rows of ours always have a label or an error; a foreign one still counts as failed.
            _ => self.failed += 1,
        }
    }

    fn add_uncertain(&mut self, index: u64, row: &Row, label: &str, score: f64) {
        let order = |score: f64, index: u64| (OrderedScore(score), index);
        let uncertain = || Uncertain { index, image: row.image.clone(), label: label.to_owned(), score };
        let key = order(score, index);
        insert_bounded(&mut self.least_certain, LEAST_CERTAIN, key, |seen| order(seen.score, seen.index), uncertain);
    }

    /// Adds the counts of `other`, which covers other rows of the same batch.
    pub fn merge(&mut self, other: Self) {
        self.images += other.images;
        self.ok += other.ok;
        self.failed += other.failed;
        self.warnings += other.warnings;
        self.bytes += other.bytes;
        self.pixels += other.pixels;
        self.largest = (self.largest.0.max(other.largest.0), self.largest.1.max(other.largest.1));
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        for (label, count) in other.classes {
            *self.classes.entry(label).or_default() += count;
        }
        for (bar, count) in self.confidence.iter_mut().zip(other.confidence) {
            *bar += count;
        }
        self.least_certain.extend(other.least_certain);
        self.least_certain.sort_by_key(|seen| (OrderedScore(seen.score), seen.index));
        self.least_certain.truncate(LEAST_CERTAIN);
        for (code, more) in other.examples {
            let examples = self.examples.entry(code).or_default();
            examples.extend(more);
            examples.sort_by_key(|example| example.index);
            examples.truncate(EXAMPLES);
        }
    }
}

/// Scores are finite; total order makes them keys.
#[derive(Clone, Copy, PartialEq)]
struct OrderedScore(f64);

impl Eq for OrderedScore {}

impl PartialOrd for OrderedScore {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderedScore {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Inserts into a sorted list of at most `most` entries; builds the entry only if it stays.
fn insert_bounded<T, K: Ord>(
    list: &mut Vec<T>,
    most: usize,
    key: K,
    key_of: impl Fn(&T) -> K,
    make: impl FnOnce() -> T,
) {
    let at = list.partition_point(|seen| key_of(seen) <= key);
    if at < most {
        list.insert(at, make());
        list.truncate(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageRef;
    use crate::row::{Label, Outcome};

    fn row(at: u64) -> Row {
        let image = ImageRef::new(format!("{at}.jpg"));
        let outcome = if at % 7 == 3 {
            Outcome::failed(ErrorCode::ALL[at as usize % 12], "why")
        } else {
            let score = (at * 37 % 101) as f64 / 100.0;
            let top = vec![Label { label: format!("class {}", at % 3), index: 0, score }];
            Outcome { top, size: Some((at as u32, 2)), bytes: Some(10), error: None }
        };
        outcome.into_row(&image, "m@d")
    }

    #[test]
    fn merging_in_any_order_gives_the_summary_of_all() {
        let mut whole = Summary::default();
        (0..300).for_each(|at| whole.add(at, &row(at)));
        let mut parts: Vec<_> = (0..300)
            .collect::<Vec<_>>()
            .chunks(41)
            .map(|chunk| {
                let mut part = Summary::default();
                chunk.iter().for_each(|at| part.add(*at, &row(*at)));
                part
            })
            .collect();
        parts.rotate_left(3);
        parts.reverse();
        let mut merged = Summary::default();
        parts.into_iter().for_each(|part| merged.merge(part));
        assert_eq!(merged, whole);
        assert_eq!(whole.images, whole.ok + whole.failed);
        assert_eq!(whole.confidence.iter().sum::<u64>(), whole.ok);
        assert_eq!(whole.least_certain.len(), LEAST_CERTAIN);
        assert!(whole.least_certain.is_sorted_by_key(|seen| OrderedScore(seen.score)));
    }
}
