//! Every engine of this machine gives the same numbers for every fixture and for the built-in model.

use std::path::Path;

use inference::{Classifier, Engine};
use models::Package;

/// Largest difference of a score, and of an output value relative to the largest.
const TOLERANCE: f32 = 1e-4;

#[test]
fn all_engines_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let packages: Vec<_> = entries
        .filter(|path| path.join("model.toml").is_file())
        .map(|path| Package::open(&path).unwrap())
        .chain([Package::builtin().unwrap()])
        .collect();
    assert!(packages.len() >= 12, "fixtures are missing");
    for package in packages {
        let place = package.place().display().to_string();
        let (wanted, wanted_scores) = numbers(&package, Engine::Tract);
        let largest = wanted.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for engine in Engine::available() {
            let (output, scores) = numbers(&package, engine);
            let relative = distance(&output, &wanted) / largest;
            let score = distance(&scores, &wanted_scores);
            assert!(relative.max(score) <= TOLERANCE, "{place} on {engine:?}: output {relative}, scores {score}");
        }
    }
}

/// Output and scores of an image that is noise.
fn numbers(package: &Package, engine: Engine) -> (Vec<f32>, Vec<f32>) {
    let classifier = Classifier::load_for(package, engine).unwrap();
    let input: Vec<f32> = (0..classifier.input_len()).map(|i| ((7919 * i) % 257) as f32 / 64.0 - 2.0).collect();
    let mut session = classifier.session();
    (session.output(&input).unwrap(), session.scores(&input).unwrap())
}

/// Largest absolute difference; NaN counts as infinite.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.map(|difference| if difference.is_nan() { f32::INFINITY } else { difference }).fold(0.0, f32::max)
}
