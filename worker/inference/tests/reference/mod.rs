//! Outputs that ONNX Runtime computed for a package: `reference.json`, written by `models/reference.py`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use inference::{Classifier, Session};
use models::{OutputKind, Package};

/// `reference.json` of a package.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Largest accepted difference, of a score and relative to the largest output value.
    pub tolerance: f32,
    /// The output values for [`pattern`] with the seeds 0, 1, ….
    pub outputs: Vec<Vec<f32>>,
}

/// How far we are from the reference, over all inputs.
#[derive(Debug, Default)]
pub struct Difference {
    /// Largest absolute difference of a score.
    pub score: f32,
    /// Largest difference of an output value, relative to the largest value of that output.
    pub relative: f32,
    /// Largest difference between the scores of two different inputs of the reference: what a wrong result looks like.
    pub between_inputs: f32,
}

/// The packages in `folder`, by name; at least one.
pub fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    let mut packages: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    packages.retain(|path| path.join("model.toml").is_file());
    packages.sort();
    ensure!(!packages.is_empty(), "no package in {}", folder.display());
    Ok(packages)
}

/// Runs the inputs of the reference of the package in `dir` and compares.
pub fn compare(dir: &Path) -> Result<(Reference, Difference)> {
    let text = std::fs::read_to_string(dir.join("reference.json")).with_context(|| format!("{}", dir.display()))?;
    let reference: Reference = serde_json::from_str(&text).with_context(|| format!("{}", dir.display()))?;
    ensure!(reference.outputs.len() >= 2, "{}: two inputs are needed to see that they differ", dir.display());
    let package = Package::open(dir)?;
    let classifier = Classifier::load(&package)?;
    let difference = difference(&reference, &classifier, &mut classifier.session())?;
    Ok((reference, difference))
}

fn difference(reference: &Reference, classifier: &Classifier, session: &mut Session) -> Result<Difference> {
    let mut difference = Difference::default();
    let kind = classifier.spec().output.kind;
    let all_scores: Vec<_> = reference.outputs.iter().map(|output| scores(output, kind)).collect();
    for (seed, (wanted, wanted_scores)) in reference.outputs.iter().zip(&all_scores).enumerate() {
        let input = pattern(classifier.input_len(), seed);
        let output = session.output(&input)?;
        ensure!(output.len() == wanted.len(), "{} values, {} are wanted", output.len(), wanted.len());
        let largest = wanted.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        difference.relative = difference.relative.max(distance(&output, wanted) / largest);
        difference.score = difference.score.max(distance(&session.scores(&input)?, wanted_scores));
        difference.between_inputs = difference.between_inputs.max(distance(wanted_scores, &all_scores[0]));
    }
    Ok(difference)
}

/// The reference's scores, by a softmax of its own.
fn scores(output: &[f32], kind: OutputKind) -> Vec<f32> {
    if kind == OutputKind::Probabilities {
        return output.to_vec();
    }
    let largest = output.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<_> = output.iter().map(|value| f64::from(value - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (power / sum) as f32).collect()
}

/// `reference.pattern` of `models/reference.py`: fine noise on a slope, up for even seeds, down and brighter for odd
/// ones. All values are multiples of 1/128.
pub fn pattern(length: usize, seed: usize) -> Vec<f32> {
    let value = |i: usize| {
        let noise = ((7919 * i + 104_729 * seed) % 257) as f32 - 128.0;
        let slope = (256 * i / length) as f32 - 128.0;
        noise / 128.0 + if seed.is_multiple_of(2) { slope / 64.0 } else { 1.0 - slope / 64.0 }
    };
    (0..length).map(value).collect()
}

/// Largest absolute difference; NaN counts as infinite.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.map(|difference| if difference.is_nan() { f32::INFINITY } else { difference }).fold(0.0, f32::max)
}
