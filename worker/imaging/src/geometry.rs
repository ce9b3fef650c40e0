//! Where the pixels of a tensor come from: Pillow's resize rules as arithmetic on sizes.

use std::ops::Range;

use models::{Filter, InputSpec, Resize};

use crate::taps;

/// What decoded pixels are for, which decides how many of them are needed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need<'a> {
    /// The input tensor of a model.
    Tensor(&'a InputSpec),
    /// A picture of at most so many pixels a side.
    Thumbnail(u32),
}

impl Need<'_> {
    /// The largest of 1, 2, 4 and 8 by which a displayed `width` × `height` image may be reduced while decoding: what
    /// is left stays at least twice as large as what it is resized to, as with Pillow's `reducing_gap=2.0`.
    pub fn reduction(&self, width: u32, height: u32) -> u32 {
        let (to_width, to_height) = match self {
            // The nearest pixel of a reduced image would be a mean.
            Self::Tensor(spec) if spec.full_decode || spec.filter == Filter::Nearest => return 1,
            Self::Tensor(spec) => Plan::new(spec, width, height).scaled,
            Self::Thumbnail(side) => fit((width, height), (*side, *side)),
        };
        let enough = |full: u32, needed: u32, by: u32| u64::from(full) >= u64::from(needed) * 2 * u64::from(by);
        let fits = |by: &u32| enough(width, to_width, *by) && enough(height, to_height, *by);
        [8, 4, 2].into_iter().find(fits).unwrap_or(1)
    }

    /// The pixels of a displayed `width` × `height` image that count, and perhaps some around them.
    pub fn part(&self, width: u32, height: u32) -> Part {
        match self {
            Self::Thumbnail(_) => Part { columns: 0..width as usize, rows: 0..height as usize },
            Self::Tensor(spec) => {
                let (plan, reach) = (Plan::new(spec, width, height), taps::reach(spec.filter));
                Part {
                    columns: under(width, plan.scaled.0, plan.crop.0, plan.size.0, reach),
                    rows: under(height, plan.scaled.1, plan.crop.1, plan.size.1, reach),
                }
            }
        }
    }
}

/// The pixels that make the `count` target pixels from `first` on, of an axis of `pixels` that is scaled to `scaled`.
fn under(pixels: u32, scaled: u32, first: u32, count: u32, reach: f64) -> Range<usize> {
    let scale = f64::from(pixels) / f64::from(scaled);
    let middle = |target: u32| (f64::from(target) + 0.5) * scale;
    // A pixel more on either side, for rounding.
    let reach = reach * scale.max(1.0) + 1.0;
    let start = (middle(first) - reach).floor().max(0.0) as usize;
    let end = (middle(first + count - 1) + reach).ceil() as usize;
    start..end.min(pixels as usize)
}

/// A part of an image: columns and rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub columns: Range<usize>,
    pub rows: Range<usize>,
}

/// How an image becomes a tensor: scaled to `scaled`, of which the rectangle at `crop` is put at `place`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Width and height of the whole image after scaling.
    pub scaled: (u32, u32),
    /// Left and top of the rectangle that is used, in scaled pixels.
    pub crop: (u32, u32),
    /// Left and top of that rectangle in the tensor.
    pub place: (u32, u32),
    /// Width and height of that rectangle.
    pub size: (u32, u32),
}

impl Plan {
    /// For a displayed image of `width` × `height` pixels.
    pub fn new(spec: &InputSpec, width: u32, height: u32) -> Self {
        let tensor = (spec.width, spec.height);
        match spec.resize {
            Resize::Stretch => Self { scaled: tensor, crop: (0, 0), place: (0, 0), size: tensor },
            Resize::ShorterSide => {
                let ratio = f64::from(spec.shorter_side()) / f64::from(width.min(height));
                let scale = |side: u32| round(f64::from(side) * ratio);
                let scaled = (scale(width).max(tensor.0), scale(height).max(tensor.1));
                let crop = ((scaled.0 - tensor.0) / 2, (scaled.1 - tensor.1) / 2);
                Self { scaled, crop, place: (0, 0), size: tensor }
            }
            Resize::Letterbox => {
                let scaled = fit((width, height), tensor);
                let place = ((tensor.0 - scaled.0) / 2, (tensor.1 - scaled.1) / 2);
                Self { scaled, crop: (0, 0), place, size: scaled }
            }
        }
    }
}

/// The largest size of the same shape that fits into `limit`, larger or smaller than the image.
pub(crate) fn fit((width, height): (u32, u32), limit: (u32, u32)) -> (u32, u32) {
    let ratio = (f64::from(limit.0) / f64::from(width)).min(f64::from(limit.1) / f64::from(height));
    let side = |side: u32, limit: u32| round(f64::from(side) * ratio).clamp(1, limit);
    (side(width, limit.0), side(height, limit.1))
}

/// Python's `round`: halves go to the even neighbour.
fn round(value: f64) -> u32 {
    value.round_ties_even() as u32
}

#[cfg(test)]
mod tests {
    use models::{Channels, Layout};

    use super::*;

    fn spec(resize: Resize, resize_to: Option<u32>) -> InputSpec {
        InputSpec {
            name: None,
            layout: Layout::Nchw,
            height: 224,
            width: 224,
            channels: Channels::Rgb,
            resize,
            resize_to,
            filter: Filter::Bilinear,
            fill: None,
            full_decode: false,
            scale: 255.0,
            mean: vec![0.0; 3],
            std: vec![1.0; 3],
        }
    }

    #[test]
    fn the_shorter_side_rounds_like_python() {
        let spec = spec(Resize::ShorterSide, Some(256));
        let plan = Plan::new(&spec, 500, 375);
        assert_eq!((plan.scaled, plan.crop), ((341, 256), (58, 16)));
        // 256 / 512 * 513 = 256.5, and 256.5 rounds to the even 256.
        assert_eq!(Plan::new(&spec, 513, 512).scaled, (256, 256));
        assert_eq!(Plan::new(&spec, 515, 512).scaled, (258, 256));
        assert_eq!(Plan::new(&spec, 1, 65_535).scaled, (256, 256 * 65_535));
    }

    #[test]
    fn a_letterbox_is_centred_and_never_empty() {
        let spec = spec(Resize::Letterbox, None);
        let plan = Plan::new(&spec, 500, 375);
        assert_eq!((plan.scaled, plan.place), ((224, 168), (0, 28)));
        assert_eq!(Plan::new(&spec, 10_000, 1).size, (224, 1));
        assert_eq!(Plan::new(&spec, 3, 3).size, (224, 224));
    }

    #[test]
    fn reduction_leaves_twice_the_pixels() {
        let shorter = spec(Resize::ShorterSide, Some(256));
        let need = Need::Tensor(&shorter);
        assert_eq!(need.reduction(4000, 3000), 4);
        assert_eq!(need.reduction(4096, 4096), 8);
        assert_eq!(need.reduction(4095, 4096), 4);
        assert_eq!(need.reduction(1023, 2000), 1);
        assert_eq!(need.reduction(1024, 2048), 2);
        assert_eq!(need.reduction(500, 375), 1);
        let nearest = InputSpec { filter: Filter::Nearest, ..shorter };
        assert_eq!(Need::Tensor(&nearest).reduction(4096, 4096), 1);
        let in_full = InputSpec { full_decode: true, ..spec(Resize::ShorterSide, Some(256)) };
        assert_eq!(Need::Tensor(&in_full).reduction(4096, 4096), 1);
        assert_eq!(Need::Thumbnail(160).reduction(4000, 3000), 8);
    }

    #[test]
    fn what_is_cropped_away_does_not_count() {
        let spec = |filter| InputSpec { filter, ..spec(Resize::ShorterSide, Some(256)) };
        let part = |filter, width, height| Need::Tensor(&spec(filter)).part(width, height);
        // 58 and 59 of 341 columns and 16 of 256 rows are cropped, at 1.47 pixels each; the filter reaches 1.47 pixels.
        assert_eq!(part(Filter::Bilinear, 500, 375), Part { columns: 83..416, rows: 21..354 });
        assert_eq!(part(Filter::Nearest, 500, 375), Part { columns: 84..415, rows: 22..353 });
        assert_eq!(part(Filter::Lanczos, 1, 1), Part { columns: 0..1, rows: 0..1 });
        assert_eq!(Need::Thumbnail(160).part(500, 375), Part { columns: 0..500, rows: 0..375 });
    }
}
