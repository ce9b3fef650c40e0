//! Every mistake in a package gives an error that names it and the remedy; nothing panics.

use std::fs;
use std::path::Path;

use inference::{Classifier, ModelError, Problem};
use models::Package;

/// A copy of a fixture, spoilt by `spoil`, and what loading it says.
fn error_of(fixture: &str, spoil: impl FnOnce(&Path)) -> ModelError {
    let dir = copy_of(fixture);
    spoil(dir.path());
    let package = Package::open(dir.path()).unwrap();
    let error = Classifier::load(&package).err().expect("it must be refused");
    let text = error.to_string();
    assert!(text.starts_with(&format!("model package {}: ", dir.path().display())), "{text}");
    error
}

fn copy_of(fixture: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    dir
}

/// Replaces text in `model.toml`.
fn toml(from: &'static str, to: &'static str) -> impl FnOnce(&Path) {
    move |dir| {
        let path = dir.join("model.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }
}

/// Replaces bytes in `model.onnx` by as many others.
fn onnx(from: &'static str, to: &'static str) -> impl FnOnce(&Path) {
    assert_eq!(from.len(), to.len());
    move |dir| {
        let path = dir.join("model.onnx");
        let mut bytes = fs::read(&path).unwrap();
        let places: Vec<_> =
            (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
        assert!(!places.is_empty());
        places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn a_wrong_input_name_lists_the_inputs() {
    let error = error_of("softmax_11", toml("name = \"x\"", "name = \"data\""));
    assert!(error.to_string().contains("\"data\", but the graph's inputs are: x"), "{error}");
}

#[test]
fn a_wrong_or_missing_output_name_lists_the_outputs() {
    let error = error_of("two_outputs", toml("[output]\nname = ", "[output]\nname = \"y\" # "));
    assert!(matches!(&error.problem, Problem::NoSuchOutput { outputs, .. } if outputs.len() == 3), "{error}");
    let error = error_of("two_outputs", toml("[output]\nname = ", "[output]\n# "));
    assert!(error.to_string().contains("set output.name"), "{error}");
}

#[test]
fn shapes_that_disagree_show_both() {
    let error = error_of("softmax_11", toml("height = 16", "height = 24"));
    assert!(error.to_string().contains("[N, 3, 24, 16] (NCHW)"), "{error}");
    assert!(error.to_string().contains("[N, 3, 16, 16]; set"), "{error}");
    let error = error_of("nhwc", toml("NHWC", "NCHW"));
    assert!(matches!(error.problem, Problem::InputShape { .. }), "{error}");
}

#[test]
fn wrong_labels_show_both_counts() {
    let error = error_of("nhwc", |dir| fs::write(dir.join("labels.txt"), "a\nb\nc\nd\ne\nf\n").unwrap());
    assert!(matches!(error.problem, Problem::Classes { classes: 5, labels: 6 }), "{error}");
}

#[test]
fn unknown_operators_are_named() {
    let error = error_of("softmax_11", onnx("MaxPool", "MinPool"));
    assert!(error.to_string().contains("not supported: MinPool;"), "{error}");
}

#[test]
fn missing_or_cut_external_data_is_named() {
    let error = error_of("external_data", |dir| fs::remove_file(dir.join("model.onnx.data")).unwrap());
    assert!(error.to_string().contains("\"model.onnx.data\", but the package has no such file"), "{error}");
    let error = error_of("external_data", |dir| fs::write(dir.join("model.onnx.data"), "short").unwrap());
    assert!(matches!(error.problem, Problem::Rejected(_)), "{error}");
}

#[test]
fn external_data_stays_in_the_package() {
    let error = error_of("external_data", onnx("model.onnx.data", "../../../passwd"));
    assert!(matches!(error.problem, Problem::ExternalData { .. }), "{error}");
}

#[test]
fn what_is_no_graph_is_refused_wherever_it_is_cut() {
    for text in ["", "<html>404</html>", "version https://git-lfs.github.com/spec/v1\n"] {
        let error = error_of("nhwc", |dir| fs::write(dir.join("model.onnx"), text).unwrap());
        assert!(matches!(error.problem, Problem::NotOnnx(_)), "{error}");
    }
    let whole = fs::read(copy_of("nhwc").path().join("model.onnx")).unwrap();
    for length in (1..whole.len()).step_by(97) {
        error_of("nhwc", |dir| fs::write(dir.join("model.onnx"), &whole[..length]).unwrap());
    }
}

#[test]
fn a_map_of_classes_is_refused() {
    let error = error_of("two_outputs", toml("[output]\nname = ", "[output]\nname = \"map\" # "));
    assert!(error.to_string().contains("1,8,8,8"), "{error}");
}

#[test]
fn logits_called_probabilities_are_found_out() {
    let dir = copy_of("external_data");
    toml("\"logits\"", "\"probabilities\"")(dir.path());
    let classifier = Classifier::load(&Package::open(dir.path()).unwrap()).unwrap();
    let error = classifier.session().scores(&vec![0.5; classifier.input_len()]).unwrap_err();
    assert!(error.to_string().contains("looks like logits"), "{error}");
}

#[test]
fn a_session_survives_bad_input() {
    let dir = copy_of("attention_17");
    let classifier = Classifier::load(&Package::open(dir.path()).unwrap()).unwrap();
    let mut session = classifier.session();
    let good = vec![0.5; classifier.input_len()];
    let scores = session.scores(&good).unwrap();
    assert!(matches!(session.scores(&good[1..]).unwrap_err().problem, Problem::InputLength { .. }));
    let nan = vec![f32::NAN; classifier.input_len()];
    assert!(matches!(session.scores(&nan).unwrap_err().problem, Problem::NotFinite { .. }));
    assert_eq!(session.scores(&good).unwrap(), scores);
}

#[test]
fn threads_share_a_classifier() {
    let dir = copy_of("softmax_11");
    let classifier = Classifier::load(&Package::open(dir.path()).unwrap()).unwrap();
    let input = vec![0.25; classifier.input_len()];
    let expected = classifier.session().scores(&input).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut session = classifier.session();
                (0..20).for_each(|_| assert_eq!(session.scores(&input).unwrap(), expected));
            });
        }
    });
}
