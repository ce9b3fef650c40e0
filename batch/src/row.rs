//! One row of the results: what pixelmill says of one image. Nothing in it varies from run to run.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::image::ImageRef;

/// What pixelmill says of one image. Serialised with every key present, so that all rows have one shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// URI of the image.
    pub image: String,
    /// The user's own name for it.
    pub id: Option<String>,
    /// Whether the image was classified.
    pub status: Status,
    /// The best label.
    pub label: Option<String>,
    /// Its score, 0–1, rounded to 6 decimals.
    pub score: Option<f64>,
    /// The best labels, the highest score first; ties by index.
    pub top: Vec<Label>,
    /// Width in pixels, as displayed (after EXIF orientation).
    pub width: Option<u32>,
    /// Height in pixels, as displayed.
    pub height: Option<u32>,
    /// Size of the file in bytes.
    pub bytes: Option<u64>,
    /// `name@digest` of the model package.
    pub model: String,
    /// Why there is no label. With status `ok`: the code `truncated`, where the batch's policy accepts such images.
    pub error: Option<RowError>,
}

/// Whether an image was classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was.
    Ok,
    /// It was not; see the row's error.
    Error,
}

/// One class and its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The class's label.
    pub label: String,
    /// Its index, from 0.
    pub index: u32,
    /// Its score, 0–1, rounded to 6 decimals.
    pub score: f64,
}

/// A typed error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowError {
    /// The kind of error, for programs.
    pub code: ErrorCode,
    /// A sentence for people.
    pub message: String,
}

/// Why an image has no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// There is nothing at its URI.
    NotFound,
    /// It may not be read.
    Denied,
    /// It is not the object that was listed.
    Changed,
    /// It has more bytes than the batch allows.
    TooLarge,
    /// It is no image, or of a format that pixelmill does not read.
    Unsupported,
    /// It claims to be an image but cannot be decoded.
    Undecodable,
    /// It ends too early.
    Truncated,
    /// It has more pixels than the batch allows.
    TooManyPixels,
    /// It could not be fetched although that was tried again and again.
    FetchFailed,
    /// Its work did not end in time: alone, in a process of its own, twice.
    Timeout,
    /// Its work killed the process: alone, in a process of its own, twice.
    Crashed,
    /// The model gave no scores for it.
    ModelFailed,
}

impl ErrorCode {
    /// Every code there is.
    pub const ALL: [Self; 12] = [
        Self::NotFound,
        Self::Denied,
        Self::Changed,
        Self::TooLarge,
        Self::Unsupported,
        Self::Undecodable,
        Self::Truncated,
        Self::TooManyPixels,
        Self::FetchFailed,
        Self::Timeout,
        Self::Crashed,
        Self::ModelFailed,
    ];

    /// The code as it stands in a row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Changed => "changed",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::Undecodable => "undecodable",
            Self::Truncated => "truncated",
            Self::TooManyPixels => "too_many_pixels",
            Self::FetchFailed => "fetch_failed",
            Self::Timeout => "timeout",
            Self::Crashed => "crashed",
            Self::ModelFailed => "model_failed",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let codes = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no error code; there are {}", codes()))
    }
}

/// What became of one image: everything of a row that the image's reference and the model do not say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The best labels, the highest first; empty if and only if the image failed.
    pub top: Vec<Label>,
    /// Width and height in pixels as displayed, where the header could be read.
    pub size: Option<(u32, u32)>,
    /// Size of the file in bytes, where it could be read.
    pub bytes: Option<u64>,
    /// Why it failed, or why its labels are to be taken with care.
    pub error: Option<RowError>,
}

impl Outcome {
    /// An image that failed before its size was known.
    pub fn failed(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { top: Vec::new(), size: None, bytes: None, error: Some(RowError { code, message: message.into() }) }
    }

    /// The row of `image`, classified by `model` (`name@digest`).
    pub fn into_row(self, image: &ImageRef, model: &str) -> Row {
        let best = self.top.first();
        Row {
            image: image.uri.clone(),
            id: image.id.clone(),
            status: if best.is_some() { Status::Ok } else { Status::Error },
            label: best.map(|best| best.label.clone()),
            score: best.map(|best| best.score),
            width: self.size.map(|(width, _)| width),
            height: self.size.map(|(_, height)| height),
            bytes: self.bytes,
            model: model.to_owned(),
            error: self.error,
            top: self.top,
        }
    }
}

impl Label {
    /// The `k` best classes of `scores` (one per label), the highest first, ties by index, rounded to 6 decimals.
    pub fn top(scores: &[f32], labels: &[String], k: usize) -> Vec<Self> {
        let mut order: Vec<usize> = (0..scores.len().min(labels.len())).collect();
        let by_score = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
        let k = k.min(order.len());
        if k == 0 {
            return Vec::new();
        }
        order.select_nth_unstable_by(k - 1, by_score);
        order.truncate(k);
        order.sort_unstable_by(by_score);
        let label = |index: usize| Self {
            label: labels[index].clone(),
            index: index as u32,
            score: round_score(scores[index]),
        };
        order.into_iter().map(label).collect()
    }
}

/// A score rounded to 6 decimals.
fn round_score(score: f32) -> f64 {
    (f64::from(score) * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_every_key_in_order() {
        let top = vec![Label { label: "tabby".into(), index: 281, score: 0.8731 }];
        let outcome = Outcome { top, size: Some((500, 375)), bytes: Some(110_576), error: None };
        let row = outcome.into_row(&ImageRef::new("s3://b/k.jpg"), "squeezenet1.1@9f2c");
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"image":"s3://b/k.jpg","id":null,"status":"ok","label":"tabby","score":0.8731,"top":[{"label":"tabby","index":281,"score":0.8731}],"width":500,"height":375,"bytes":110576,"model":"squeezenet1.1@9f2c","error":null}"#
        );
    }

    #[test]
    fn a_failed_image_is_an_error_row() {
        let row = Outcome::failed(ErrorCode::Undecodable, "bad").into_row(&ImageRef::new("x"), "m@d");
        assert_eq!((row.status, row.label, row.error.unwrap().code), (Status::Error, None, ErrorCode::Undecodable));
    }

    #[test]
    fn codes_read_back_as_they_are_serialised() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("{:?}", code.as_str()));
            assert_eq!(code.as_str().parse::<ErrorCode>(), Ok(code));
        }
        assert!("nope".parse::<ErrorCode>().is_err());
    }

    #[test]
    fn top_takes_the_best_and_breaks_ties_by_index() {
        let labels = ["a", "b", "c", "d"].map(String::from);
        let top = Label::top(&[0.1, 0.4, 0.1, 0.4], &labels, 3);
        assert_eq!(top.iter().map(|label| label.index).collect::<Vec<_>>(), [1, 3, 0]);
        assert_eq!(Label::top(&[1.0 / 3.0], &labels[..1], 5)[0].score, 0.333333);
        assert!(Label::top(&[0.5], &labels[..1], 0).is_empty());
    }
}
