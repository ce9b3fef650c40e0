//! From the numbers of the output to scores: softmax for logits, a check for probabilities.

use models::OutputKind;

use crate::error::Problem;

/// How far the sum of probabilities may lie from 1, and one of them below 0: half-precision graphs are this coarse.
const SLACK: f64 = 1e-2;

/// Turns raw output values into scores in place: 0–1, sum 1.
pub(crate) fn to_scores(values: &mut [f32], kind: OutputKind) -> Result<(), Problem> {
    if let Some((index, value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(Problem::NotFinite { index, value: *value });
    }
    match kind {
        OutputKind::Logits => softmax(values),
        OutputKind::Probabilities if look_like_probabilities(values) => {
            values.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        }
        OutputKind::Probabilities => {
            let (lowest, sum) = (lowest(values), sum(values));
            return Err(Problem::NotProbabilities { lowest, sum });
        }
    }
    Ok(())
}

/// Whether the output values of one image can be probabilities: none clearly negative, the sum near 1. Logits
/// practically never are, so this tells which `output.kind` a package should state.
pub fn look_like_probabilities(values: &[f32]) -> bool {
    f64::from(lowest(values)) >= -SLACK && (sum(values) - 1.0).abs() <= SLACK
}

/// In float64: with many classes the sum of small terms counts.
fn softmax(logits: &mut [f32]) {
    let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - highest).exp()).sum();
    for logit in logits {
        *logit = ((f64::from(*logit) - highest).exp() / sum) as f32;
    }
}

fn lowest(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::INFINITY, f32::min)
}

fn sum(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_stays_finite_for_large_logits() {
        let mut values = [1000.0, 1000.0, -1000.0];
        to_scores(&mut values, OutputKind::Logits).unwrap();
        assert_eq!(values, [0.5, 0.5, 0.0]);
    }

    #[test]
    fn probabilities_pass_and_logits_do_not() {
        let mut values = [0.25, 0.7501, -1e-6];
        to_scores(&mut values, OutputKind::Probabilities).unwrap();
        assert_eq!(values, [0.25, 0.7501, 0.0]);
        for logits in [[3.0, -1.0, -1.0], [0.2, 0.2, 0.2]] {
            let problem = to_scores(&mut logits.clone(), OutputKind::Probabilities).unwrap_err();
            assert!(problem.to_string().contains("looks like logits"), "{problem}");
        }
    }

    #[test]
    fn what_is_not_finite_names_its_class() {
        let problem = to_scores(&mut [0.0, f32::NAN], OutputKind::Logits).unwrap_err();
        assert!(matches!(problem, Problem::NotFinite { index: 1, .. }));
    }
}
