//! Whole models: loading one, and one image through it, on every engine. `cargo bench -p inference`
//!
//! The built-in model, and the packages in the folder that `PIXELMILL_BENCH_MODELS` names, which `models/export.py` makes.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use inference::{Classifier, Engine};
use models::Package;

/// The built-in package and those of the folder, by name.
fn packages() -> Vec<(String, Package)> {
    let mut packages = vec![("built-in".to_owned(), Package::builtin().expect("the built-in package"))];
    if let Some(folder) = std::env::var_os("PIXELMILL_BENCH_MODELS") {
        let entries = std::fs::read_dir(folder).expect("PIXELMILL_BENCH_MODELS names a folder");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        for path in paths.into_iter().filter(|path| path.join("model.toml").exists()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            packages.push((name, Package::open(&path).expect("a package")));
        }
    }
    packages
}

fn models(criterion: &mut Criterion) {
    for (name, package) in packages() {
        let mut group = criterion.benchmark_group(name);
        for engine in Engine::available() {
            let load = || Classifier::load_for(&package, engine).expect("a model");
            group.bench_function(format!("load, {engine:?}"), |bencher| bencher.iter(load));
            let classifier = load();
            let mut session = classifier.session();
            // Neither zero nor denormal.
            let input: Vec<f32> = (0..classifier.input_len()).map(|i| ((7919 * i) % 257) as f32 / 64.0 - 2.0).collect();
            let name = format!("one image, {engine:?}");
            group.bench_function(name, |bencher| bencher.iter(|| session.scores(&input).expect("scores")));
        }
        group.finish();
    }
}

criterion_group! {
    name = all;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    targets = models
}
criterion_main!(all);
