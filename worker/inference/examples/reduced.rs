//! What a decode at reduced scale changes in a model's answers. usage: reduced PACKAGE FILE…
//!
//! Prints a line of JSON for each JPEG file: whether both decodes have the same best class, by how much it leads in the full
//! one, the largest difference of a score, and the mean difference of a sample, in levels. `docs/bench` counts them.

use anyhow::{Context, Result};
use imaging::{Limits, Preprocessor, decode};
use inference::Classifier;
use models::{Filter, InputSpec, Package, Resize};

#[expect(clippy::print_stdout, reason = "the lines are the program's output")]
fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let package = Package::open(arguments.next().context("usage: reduced PACKAGE FILE…")?.as_ref())?;
    let classifier = Classifier::load(&package)?;
    let mut session = classifier.session();
    let spec = &classifier.spec().input;
    // The nearest pixel can be any pixel: nothing is reduced or cropped for this input.
    let in_full = InputSpec { filter: Filter::Nearest, resize: Resize::Stretch, resize_to: None, ..spec.clone() };
    let as_levels = InputSpec { scale: 1.0, mean: vec![0.0; 3], std: vec![1.0; 3], ..spec.clone() };
    let (mut preprocessor, mut levels) = (Preprocessor::new(spec), Preprocessor::new(&as_levels));
    for path in arguments {
        let file = std::fs::read(&path).with_context(|| path.clone())?;
        let mut seen = |need: &InputSpec| -> Result<(Vec<f32>, Vec<f32>)> {
            let (mut tensor, mut samples) = (vec![0.0; spec.len()], vec![0.0; spec.len()]);
            let decoded = decode(&file, &Limits::default(), need)?;
            preprocessor.fill(&decoded, &mut tensor);
            levels.fill(&decoded, &mut samples);
            Ok((session.scores(&tensor)?, samples))
        };
        let ((reduced, reduced_samples), (full, full_samples)) = (seen(spec)?, seen(&in_full)?);
        let differences = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>();
        let difference = differences(&reduced, &full).into_iter().fold(0.0, f32::max);
        let pixels = differences(&reduced_samples, &full_samples).iter().sum::<f32>() / spec.len() as f32;
        let (same, first) = (best(&reduced) == best(&full), best(&full));
        let others = full.iter().enumerate().filter(|(class, _)| *class != first).map(|(_, score)| *score);
        let lead = full[first] - others.fold(0.0, f32::max);
        println!(r#"{{"same": {same}, "lead": {lead}, "difference": {difference}, "pixels": {pixels}}}"#);
    }
    Ok(())
}

fn best(scores: &[f32]) -> usize {
    (0..scores.len()).fold(0, |best, class| if scores[class] > scores[best] { class } else { best })
}
