//! Every kind of graph in `fixtures/` loads and gives ONNX Runtime's numbers.

mod reference;

use std::path::Path;

#[test]
fn every_fixture_agrees_with_onnx_runtime() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let packages = reference::packages_in(&folder).unwrap();
    assert!(packages.len() >= 12, "fixtures are missing: {packages:?}");
    let mut wrong = Vec::new();
    for package in packages {
        let name = package.file_name().unwrap().to_string_lossy().into_owned();
        match reference::compare(&package) {
            Err(error) => wrong.push(format!("{name}: {error:#}")),
            Ok((reference, difference)) => {
                let worst = difference.score.max(difference.relative);
                // A runtime that ignored its input would pass if the reference's inputs did not differ.
                if worst > reference.tolerance || difference.between_inputs < 10.0 * reference.tolerance {
                    wrong.push(format!("{name}: {difference:?}, tolerance {}", reference.tolerance));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_builtin_package_loads_and_scores() {
    let package = models::Package::builtin().unwrap();
    let classifier = inference::Classifier::load(&package).unwrap();
    assert_eq!(classifier.labels().len(), 10);
    let mut session = classifier.session();
    let scores = session.scores(&reference::pattern(classifier.input_len(), 0)).unwrap();
    assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{scores:?}");
}
