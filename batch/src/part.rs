//! A part: the rows of one task, one JSON object a line, in the order of its images.

use bytes::Bytes;

use crate::image::ImageRef;
use crate::row::Row;

/// The rows of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// One per image, in the same order.
    pub rows: Vec<Row>,
}

/// A stored part that is not what its task implies.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// A line is no row.
    #[error("line {line}: {source}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// There are too many or too few rows.
    #[error("{found} rows, {expected} images")]
    Count {
        /// Rows in the part.
        found: usize,
        /// Images of the task.
        expected: usize,
    },
    /// A row speaks of another image than the one in its place.
    #[error("row {row} is of {found:?}, not of {expected:?}")]
    Image {
        /// Counted from 0, in the part.
        row: usize,
        /// What the row names.
        found: String,
        /// What the manifest names.
        expected: String,
    },
}

impl Part {
    /// The part as it is stored.
    pub fn encode(&self) -> serde_json::Result<Bytes> {
        let mut text = Vec::with_capacity(self.rows.len() * 512);
        for row in &self.rows {
            serde_json::to_writer(&mut text, row)?;
            text.push(b'\n');
        }
        Ok(text.into())
    }

    /// Parses a stored part.
    pub fn decode(text: &[u8]) -> Result<Self, PartError> {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate();
        let row = |(at, line)| serde_json::from_slice(line).map_err(|source| PartError::Line { line: at + 1, source });
        Ok(Self { rows: lines.map(row).collect::<Result<_, _>>()? })
    }

    /// Checks that there is one row per image, in order, with its id.
    pub fn check(&self, images: &[ImageRef]) -> Result<(), PartError> {
        if self.rows.len() != images.len() {
            return Err(PartError::Count { found: self.rows.len(), expected: images.len() });
        }
        let name = |uri: &str, id: &Option<String>| match id {
            Some(id) => format!("{uri} ({id})"),
            None => uri.to_owned(),
        };
        let mut pairs = self.rows.iter().zip(images).enumerate();
        match pairs.find(|(_, (row, image))| row.image != image.uri || row.id != image.id) {
            None => Ok(()),
            Some((at, (row, image))) => Err(PartError::Image {
                row: at,
                found: name(&row.image, &row.id),
                expected: name(&image.uri, &image.id),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{ErrorCode, Label, Outcome};

    fn image(at: usize) -> ImageRef {
        ImageRef::new(format!("image-{at}.jpg"))
    }

    fn part(count: usize) -> Part {
        let row = |at| Outcome::failed(ErrorCode::NotFound, "line\nbreak").into_row(&image(at), "m@d");
        Part { rows: (0..count).map(row).collect() }
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let part = part(3);
        assert_eq!(Part::decode(&part.encode().unwrap()).unwrap(), part);
    }

    #[test]
    fn scores_of_others_are_kept_to_the_last_bit() {
        let mut part = part(1);
        let score = 0.022_404_444_444_444_446; // read with a shortcut, it ends in 5
        let class = Label { label: "truck".into(), index: 9, score };
        part.rows[0].top = vec![class];
        assert_eq!(Part::decode(&part.encode().unwrap()).unwrap(), part);
    }

    #[test]
    fn finds_missing_doubled_and_swapped_rows() {
        let images: Vec<_> = (0..3).map(image).collect();
        let mut swapped = part(3);
        swapped.rows.swap(0, 2);
        assert!(part(3).check(&images).is_ok());
        assert!(matches!(part(2).check(&images), Err(PartError::Count { found: 2, expected: 3 })));
        assert!(matches!(swapped.check(&images), Err(PartError::Image { row: 0, .. })));
        assert!(matches!(Part::decode(b"{}\n"), Err(PartError::Line { line: 1, .. })));
    }
}
