//! What a decode at reduced scale changes in a model's answers. usage: reduced PACKAGE FILE…
//!
//! Prints a line of JSON for each JPEG file: whether both decodes have the same best class, and the largest difference
//! of a score. `docs/bench` counts them.

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
    let (mut preprocessor, mut tensor) = (Preprocessor::new(spec), vec![0.0; spec.len()]);
    for path in arguments {
        let file = std::fs::read(&path).with_context(|| path.clone())?;
        let mut scores = |need: &InputSpec| -> Result<Vec<f32>> {
            preprocessor.fill(&decode(&file, &Limits::default(), need)?, &mut tensor);
            Ok(session.scores(&tensor)?)
        };
        let (reduced, full) = (scores(spec)?, scores(&in_full)?);
        let difference = reduced.iter().zip(&full).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!(r#"{{"same": {}, "difference": {difference}}}"#, best(&reduced) == best(&full));
    }
    Ok(())
}

fn best(scores: &[f32]) -> usize {
    (0..scores.len()).fold(0, |best, class| if scores[class] > scores[best] { class } else { best })
}
