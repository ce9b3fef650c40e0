//! `golden.jsonl`: a few inputs with the scores that an independent runtime computed for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// One input and its scores. The whole path is compared: decode, resize, normalise, infer.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// What the input shows, for messages.
    pub name: String,
    /// The bytes of an image file (a PNG, so that decoding is exact).
    pub image: Vec<u8>,
    /// Some of the scores, the highest first; at least one.
    pub scores: Vec<GoldenScore>,
    /// Largest accepted absolute difference of a score.
    pub tolerance: f32,
}

/// The score of one class.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenScore {
    /// Index of the class: the line in `labels.txt`, from 0.
    pub index: usize,
    /// Its score, 0–1.
    pub score: f32,
}

/// Covers a runtime that computes in half precision; a wrong channel order, mean or filter is far outside.
const DEFAULT_TOLERANCE: f32 = 2e-3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    image: String,
    scores: Vec<GoldenScore>,
    tolerance: Option<f32>,
}

impl Golden {
    /// Parses the text of a `golden.jsonl` for a model of `classes` classes. The error names the line.
    pub(crate) fn parse_all(text: &str, classes: usize) -> Result<Vec<Self>, String> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let goldens: Vec<_> = lines
            .map(|(at, line)| Self::parse(line, classes).map_err(|error| format!("line {}: {error}", at + 1)))
            .collect::<Result<_, _>>()?;
        if goldens.is_empty() {
            return Err("it has no line; at least one input with its scores is needed".into());
        }
        Ok(goldens)
    }

    fn parse(line: &str, classes: usize) -> Result<Self, String> {
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let image = STANDARD.decode(&line.image).map_err(|error| format!("image is not base64: {error}"))?;
        let tolerance = line.tolerance.unwrap_or(DEFAULT_TOLERANCE);
        if line.scores.is_empty() {
            return Err("scores is empty".into());
        }
        for GoldenScore { index, score } in &line.scores {
            if *index >= classes {
                return Err(format!("index {index} has no label: labels.txt has {classes} lines"));
            }
            if !(0.0..=1.0).contains(score) {
                return Err(format!("score {score} of index {index} lies outside 0–1 (scores, not logits)"));
            }
        }
        if !(0.0..=0.1).contains(&tolerance) {
            return Err(format!("tolerance {tolerance} lies outside 0–0.1"));
        }
        Ok(Self { name: line.name, image, scores: line.scores, tolerance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_and_defaults_the_tolerance() {
        let text = "{\"name\":\"a\",\"image\":\"AQI=\",\"scores\":[{\"index\":1,\"score\":0.5}]}\n\n";
        let goldens = Golden::parse_all(text, 2).unwrap();
        assert_eq!(goldens[0].image, [1, 2]);
        assert_eq!(goldens[0].tolerance, DEFAULT_TOLERANCE);
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        for (text, part) in [
            ("", "no line"),
            ("\n{", "line 2"),
            (r#"{"name":"a","image":"*","scores":[{"index":0,"score":1}]}"#, "base64"),
            (r#"{"name":"a","image":"","scores":[]}"#, "empty"),
            (r#"{"name":"a","image":"","scores":[{"index":2,"score":1}]}"#, "no label"),
            (r#"{"name":"a","image":"","scores":[{"index":1,"score":7}]}"#, "outside 0–1"),
            (r#"{"name":"a","image":"","scores":[{"index":1,"score":1}],"tolerance":1}"#, "tolerance"),
        ] {
            let error = Golden::parse_all(text, 2).unwrap_err();
            assert!(error.contains(part), "{text:?} gave {error:?}");
        }
    }
}
