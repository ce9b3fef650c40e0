//! The weights with which source pixels make a target pixel, by Pillow's rules to the last bit.

use std::f64::consts::PI;

use models::Filter;

use crate::decoded::Means;

/// Fraction bits of the weights of bytes; samples that have some themselves leave so many fewer to their weights.
pub(crate) const FRACTION: u32 = 22;

/// One axis of an image that is resized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    /// Pixels of the full image.
    pub pixels: usize,
    /// What there is of them.
    pub means: Means,
    /// Length of a target pixel, in pixels of the full image.
    pub scale: f64,
    /// First target pixel that is wanted.
    pub first: usize,
    /// How many are wanted.
    pub count: usize,
    /// If what there is of the pixels is stored from the far end on: how many these are. Target pixels then come from the far end on, too.
    pub mirrored: Option<usize>,
}

impl Axis {
    /// How many means the whole image has.
    pub fn means(&self) -> usize {
        (self.pixels + self.means.before).div_ceil(self.means.of)
    }
}

/// Weights of the source pixels for every wanted target pixel of an axis.
#[derive(Default)]
pub(crate) struct Taps {
    weights: Vec<i32>,
    windows: Vec<Window>,
    exact: Vec<f64>,
    folded: Vec<f64>,
    /// What these weights are for: photos of one camera have one size.
    made: Option<(Filter, Axis, u32)>,
}

/// The source pixels of a target pixel.
#[derive(Clone, Copy)]
struct Window {
    /// The first one.
    first: usize,
    /// End of its weights in `weights`.
    end: usize,
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

/// How far a filter reaches on either side, in target pixels (in source pixels where an image is enlarged).
pub(crate) fn reach(filter: Filter) -> f64 {
    shape(filter).1
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
    /// Computes the weights of `filter` for an axis, with so many fraction bits, unless they are there already; says whether it did.
    pub fn set(&mut self, filter: Filter, axis: Axis, fraction: u32) -> bool {
        if self.made == Some((filter, axis, fraction)) {
            return false;
        }
        self.weights.clear();
        self.windows.clear();
        let (shape, reach) = shape(filter);
        let stretch = axis.scale.max(1.0);
        let (reach, narrow) = (reach * stretch, 1.0 / stretch);
        let estimate = Estimate::new(&axis);
        for target in axis.first..axis.first + axis.count {
            let center = (target as f64 + 0.5) * axis.scale;
            let first = (center - reach + 0.5).max(0.0) as usize;
            let end = ((center + reach + 0.5) as usize).min(axis.pixels);
            // Rounding may put an edge pixel's window beyond the edge.
            let first = first.min(axis.pixels - 1);
            let end = end.max(first + 1);
            self.exact.clear();
            self.exact.extend((first..end).map(|pixel| shape((pixel as f64 - center + 0.5) * narrow)));
            let sum: f64 = self.exact.iter().sum();
            if sum != 0.0 {
                self.exact.iter_mut().for_each(|weight| *weight /= sum);
            }
            let first = if axis.means.of == 1 {
                first
            } else {
                let first = estimate.fold(first, &self.exact, &mut self.folded);
                std::mem::swap(&mut self.exact, &mut self.folded);
                first
            };
            self.push(first - axis.means.skipped, fraction);
        }
        if let Some(there) = axis.mirrored {
            self.mirror(there);
        }
        self.made = Some((filter, axis, fraction));
        true
    }

    /// Turns the axis round, of so many source pixels.
    fn mirror(&mut self, there: usize) {
        let firsts: Vec<_> = self.windows().map(|(first, weights)| (first, weights.len())).collect();
        self.windows.clear();
        self.weights.reverse();
        let mut end = 0;
        for (first, length) in firsts.into_iter().rev() {
            end += length;
            self.windows.push(Window { first: there - first - length, end });
        }
    }

    /// Adds a target pixel whose weights are those in `exact`, of the source pixels from `first` on.
    fn push(&mut self, first: usize, fraction: u32) {
        let one = f64::from(1 << fraction);
        // Rounded as in C: the half is added away from zero.
        let rounded = |weight: &f64| (weight * one + if *weight < 0.0 { -0.5 } else { 0.5 }) as i32;
        self.weights.extend(self.exact.iter().map(rounded));
        self.windows.push(Window { first, end: self.weights.len() });
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

    /// Weights of the target pixel that has most.
    pub fn longest(&self) -> usize {
        self.windows().map(|(_, weights)| weights.len()).max().unwrap_or(0)
    }

    /// The source pixels that count: the first, and one after the last.
    pub fn span(&self) -> (usize, usize) {
        let first = self.windows().map(|(first, _)| first).min().unwrap_or(0);
        let end = self.windows().map(|(first, weights)| first + weights.len()).max().unwrap_or(0);
        (first, end)
    }
}

/// Estimates pixels of the full image from means: by the parabola that has the mean of the pixel's own cell and those of
/// the cells beside it. What it makes of a target pixel is exact wherever the image is constant, linear or quadratic.
struct Estimate {
    means: Means,
    /// The last mean.
    last: usize,
    /// For every pixel of a cell, the shares of the mean before, its own, and the one after.
    shares: Vec<[f64; 3]>,
}

impl Estimate {
    fn new(axis: &Axis) -> Self {
        let means = axis.means;
        let of = means.of as f64;
        let shares = (0..means.of).map(|pixel| {
            let place = (pixel as f64 + 0.5) / of - 0.5;
            // The mean of `place²` over the cell is taken away: it is in the cell's mean already.
            let bend = (place * place - (1.0 - of.powi(-2)) / 12.0) / 2.0;
            [bend - place / 2.0, 1.0 - 2.0 * bend, bend + place / 2.0]
        });
        Self { means, last: axis.means() - 1, shares: shares.collect() }
    }

    /// Turns the weights of pixels, from `first` on, into weights of means; gives the first mean.
    fn fold(&self, first: usize, weights: &[f64], folded: &mut Vec<f64>) -> usize {
        let first = first + self.means.before;
        let start = (first / self.means.of).saturating_sub(1);
        let end = ((first + weights.len() - 1) / self.means.of + 1).min(self.last);
        folded.clear();
        folded.resize(end - start + 1, 0.0);
        for (pixel, weight) in (first..).zip(weights) {
            let cell = pixel / self.means.of;
            // At the edges, what is beyond is as what is there.
            let cells = [cell.saturating_sub(1), cell, (cell + 1).min(self.last)];
            for (cell, share) in cells.into_iter().zip(self.shares[pixel % self.means.of]) {
                folded[cell - start] += weight * share;
            }
        }
        start
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
                    means: Means::NONE,
                    scale,
                    first: 0,
                    count: scaled as usize,
                    mirrored: None,
                };
                taps.set(filter, axis, FRACTION);
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

    /// What a filter makes of the full image, and of its means, where pixel `x` has the value `of(x)`.
    fn both(filter: Filter, axis: Axis, of: impl Fn(f64) -> f64) -> [Vec<f64>; 2] {
        [Means::NONE, axis.means].map(|means| {
            let mut taps = Taps::default();
            taps.set(filter, Axis { means, ..axis }, FRACTION);
            let mean = |cell: usize| {
                let first = (cell * means.of) as f64 - means.before as f64;
                (0..means.of).map(|i| of(first + i as f64)).sum::<f64>() / means.of as f64
            };
            let sum = |(first, weights): (usize, &[i32])| {
                let weights = weights.iter().map(|&weight| f64::from(weight) / f64::from(1 << FRACTION));
                (first..).zip(weights).map(|(cell, weight)| weight * mean(cell)).sum::<f64>()
            };
            taps.windows().map(sum).collect()
        })
    }

    #[test]
    fn means_give_what_the_pixels_give() {
        for filter in [Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            for (of, before, pixels, scaled) in
                [(2, 0, 4000, 930), (4, 3, 4001, 341), (4, 0, 3000, 256), (8, 5, 4003, 240)]
            {
                let scale = pixels as f64 / scaled as f64;
                let axis = Axis {
                    pixels,
                    means: Means { of, before, skipped: 0 },
                    scale,
                    first: 20,
                    count: 100,
                    mirrored: None,
                };
                // Exact for a parabola, near for what is only smooth: the second is a wave of 60 pixels.
                let [full, reduced] = both(filter, axis, |x| 100.0 + x / 20.0 - (x - 900.0).powi(2) / 20_000.0);
                assert!(
                    full.iter().zip(&reduced).all(|(full, reduced)| (full - reduced).abs() < 1e-3),
                    "{filter:?} {of}"
                );
                let [full, reduced] = both(filter, axis, |x| 128.0 + 100.0 * (x / 60.0 * 2.0 * PI).sin());
                let worst = full.iter().zip(&reduced).map(|(full, reduced)| (full - reduced).abs()).fold(0.0, f64::max);
                assert!(worst < 1.0, "{filter:?} {of}: {worst}");
            }
        }
    }

    #[test]
    fn weights_of_means_stay_inside_and_sum_to_one() {
        for (of, before, pixels) in [(2, 1, 11), (4, 3, 9), (8, 7, 9), (8, 0, 3), (4, 0, 4)] {
            let mut taps = Taps::default();
            let axis = Axis {
                pixels,
                means: Means { of, before, skipped: 0 },
                scale: pixels as f64 / 3.0,
                first: 0,
                count: 3,
                mirrored: None,
            };
            taps.set(Filter::Lanczos, axis, FRACTION);
            for (first, weights) in taps.windows() {
                assert!(!weights.is_empty() && first + weights.len() <= (pixels + before).div_ceil(of), "{axis:?}");
                let sum: i32 = weights.iter().sum();
                assert!((sum - (1 << FRACTION)).unsigned_abs() as usize <= weights.len(), "{axis:?}");
            }
        }
    }
}
