//! The weights with which source pixels make a target pixel, by Pillow's rules to the last bit.

use std::f64::consts::PI;

use models::Filter;

/// Fraction bits of the weights.
pub(crate) const FRACTION: u32 = 22;

/// One axis of an image that is resized.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    /// Pixels that there are.
    pub pixels: usize,
    /// Where the image begins, in those pixels.
    pub start: f64,
    /// Length of a target pixel, in those pixels.
    pub scale: f64,
    /// First target pixel that is wanted.
    pub first: usize,
    /// How many are wanted.
    pub count: usize,
    /// Of how many pixels of the full image, along this axis, each of those pixels is the mean.
    pub reduction: f64,
}

impl Axis {
    /// How far a filter is stretched, in those pixels. Pixels that are means are blurred already: by so much a triangle is made
    /// narrower that both together blur as much as the triangle alone would on the full image.
    fn stretch(&self, filter: Filter) -> f64 {
        let stretch = self.scale.max(1.0);
        if self.reduction == 1.0 || filter != Filter::Bilinear {
            return stretch;
        }
        // Variances: of a mean over a pixel's width, 1/12; of a triangle that reaches to 1 on either side, 1/6.
        let blurred = (1.0 - self.reduction.powi(-2)) / 12.0;
        (stretch.powi(2) - 6.0 * blurred).max(1.0).sqrt()
    }
}

/// Weights of the source pixels for every wanted target pixel of an axis.
#[derive(Default)]
pub(crate) struct Taps {
    weights: Vec<i32>,
    /// The same for two source pixels of three bytes each: twice three weights, and two zeros.
    pairs: Vec<Pair>,
    windows: Vec<Window>,
    exact: Vec<f64>,
}

/// The weights of six bytes, two pixels, and of the two bytes after them, which are zero.
pub(crate) type Pair = [i32; 8];

/// The source pixels of a target pixel.
#[derive(Clone, Copy)]
struct Window {
    /// The first one.
    first: usize,
    /// End of its weights in `weights`.
    end: usize,
    /// End of its weights in `pairs`.
    pairs_end: usize,
}

/// The shape of a filter and how far it reaches, in target pixels (in source pixels where an image is enlarged).
fn shape(filter: Filter) -> (fn(f64) -> f64, f64) {
    match filter {
        Filter::Nearest | Filter::Box => (|x| if -0.5 < x && x <= 0.5 { 1.0 } else { 0.0 }, 0.5),
        Filter::Bilinear => (|x| (1.0 - x.abs()).max(0.0), 1.0),
        Filter::Bicubic => (bicubic, 2.0),
        Filter::Lanczos => (|x| if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }, 3.0),
    }
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

impl Taps {
    /// Computes the weights of `filter` for an axis.
    pub fn set(&mut self, filter: Filter, axis: Axis) {
        let (shape, reach) = shape(filter);
        let stretch = axis.stretch(filter);
        let (reach, narrow) = (reach * stretch, 1.0 / stretch);
        self.weights.clear();
        self.pairs.clear();
        self.windows.clear();
        for target in axis.first..axis.first + axis.count {
            let center = axis.start + (target as f64 + 0.5) * axis.scale;
            let first = (center - reach + 0.5).max(0.0) as usize;
            let end = ((center + reach + 0.5) as usize).min(axis.pixels);
            // Rounding may put an edge pixel's window beyond the edge.
            let first = first.min(axis.pixels - 1);
            let end = end.max(first + 1);
            self.exact.clear();
            self.exact.extend((first..end).map(|pixel| shape((pixel as f64 - center + 0.5) * narrow)));
            let sum: f64 = self.exact.iter().sum();
            let one = f64::from(1 << FRACTION);
            let start = self.weights.len();
            self.weights.extend(self.exact.iter().map(|&weight| {
                let weight = if sum == 0.0 { weight } else { weight / sum };
                // Rounded as in C: the half is added away from zero.
                (weight * one + if weight < 0.0 { -0.5 } else { 0.5 }) as i32
            }));
            self.pairs.extend(self.weights[start..].chunks(2).map(|pair| {
                let (near, far) = (pair[0], pair.get(1).copied().unwrap_or(0));
                [near, near, near, far, far, far, 0, 0]
            }));
            self.windows.push(Window { first, end: self.weights.len(), pairs_end: self.pairs.len() });
        }
    }

    /// How many target pixels are wanted.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// For every target pixel, its first source pixel and the weights from there on; none is empty.
    pub fn windows(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let mut start = 0;
        self.windows.iter().map(move |window| {
            let weights = &self.weights[start..window.end];
            start = window.end;
            (window.first, weights)
        })
    }

    /// The same in pairs.
    #[inline(always)]
    pub fn pairs(&self) -> impl Iterator<Item = (usize, &[Pair])> {
        let mut start = 0;
        self.windows.iter().map(move |window| {
            let pairs = &self.pairs[start..window.pairs_end];
            start = window.pairs_end;
            (window.first, pairs)
        })
    }

    /// The source pixels that count: the first, and one after the last.
    pub fn span(&self) -> (usize, usize) {
        let first = self.windows().map(|(first, _)| first).min().unwrap_or(0);
        let end = self.windows().map(|(first, weights)| first + weights.len()).max().unwrap_or(0);
        (first, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_stay_inside() {
        let mut taps = Taps::default();
        for filter in [Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            for (pixels, scaled) in [(1, 256), (500, 341), (375, 256), (256, 256), (65_535, 3), (7, 5)] {
                let scale = f64::from(pixels) / f64::from(scaled);
                let axis = Axis {
                    pixels: pixels as usize,
                    start: 0.0,
                    scale,
                    first: 0,
                    count: scaled as usize,
                    reduction: 1.0,
                };
                taps.set(filter, axis);
                assert_eq!(taps.windows().count(), scaled as usize);
                for (first, weights) in taps.windows() {
                    assert!(!weights.is_empty() && first + weights.len() <= pixels as usize);
                    let sum: i64 = weights.iter().map(|&weight| i64::from(weight)).sum();
                    let error = (sum - (1 << FRACTION)).unsigned_abs() as usize;
                    assert!(error <= weights.len(), "{filter:?} {pixels} to {scaled}: {sum}");
                }
            }
        }
    }

    #[test]
    fn a_reduced_image_is_blurred_as_much_as_the_full_one() {
        // Variance of a triangle's weights, in full pixels; each source pixel is the mean of `mean` of them.
        let variance = |scale: f64, reduction: f64, mean: f64| {
            let mut taps = Taps::default();
            let axis = Axis { pixels: 4000, start: 0.0, scale: scale / mean, first: 100, count: 40, reduction };
            taps.set(Filter::Bilinear, axis);
            let of = |(_, weights): (usize, &[i32])| {
                let one = f64::from(1 << FRACTION);
                let moment = |power: i32| {
                    let place = |i: usize| i as f64 * mean;
                    weights.iter().enumerate().map(|(i, w)| f64::from(*w) / one * place(i).powi(power)).sum::<f64>()
                };
                moment(2) - moment(1).powi(2) + mean.powi(2) / 12.0
            };
            taps.windows().map(of).sum::<f64>() / 40.0
        };
        for (reduction, scale) in [(2.0, 4.3), (4.0, 9.1), (4.0, 11.72), (8.0, 17.0)] {
            let full = variance(scale, 1.0, 1.0);
            let [told, untold] = [reduction, 1.0].map(|told| (variance(scale, told, reduction) / full - 1.0).abs());
            assert!(told < 0.01 && untold > 0.04, "{reduction} {scale}: {told}, {untold}");
        }
    }
}
