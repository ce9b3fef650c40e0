//! The part of an image that is decoded: what a model crops away is read past.

use std::ops::Range;

use super::frame::{Component, Frame};
use crate::geometry::Part;

/// Pixels of the scaled image around the part whose blocks are decoded too: what is interpolated of a component with half
/// as many samples takes one sample more on either side.
const AROUND: usize = 2;

/// What is decoded of an image, and at which scale.
pub(super) struct Window {
    /// 1, 2, 4 or 8: how many pixels a side become one.
    pub reduction: usize,
    /// The pixels that are wanted, at that scale.
    pub part: Part,
    /// The blocks of each component that these take.
    pub blocks: Vec<Part>,
}

impl Window {
    /// For a part of the full image.
    pub fn new(frame: &Frame, reduction: usize, part: &Part) -> Self {
        // Of a reduced image, the means beside those that are wanted count as well.
        let beside = if reduction == 1 { 0 } else { 1 };
        let reduced = |range: &Range<usize>, length: usize| {
            let end = (range.end.div_ceil(reduction) + beside).min(length.div_ceil(reduction));
            (range.start / reduction).saturating_sub(beside)..end
        };
        let part = Part { columns: reduced(&part.columns, frame.width), rows: reduced(&part.rows, frame.height) };
        let blocks = |component: &Component| {
            let of = |range: &Range<usize>, sampling: usize, largest: usize, all: usize| {
                let start = range.start.saturating_sub(AROUND) * reduction;
                let end = (range.end + AROUND) * reduction;
                start * sampling / (8 * largest)..(end * sampling).div_ceil(8 * largest).min(all)
            };
            Part {
                columns: of(&part.columns, component.sampling.0, frame.sampling.0, component.padded.0),
                rows: of(&part.rows, component.sampling.1, frame.sampling.1, component.padded.1),
            }
        };
        let blocks = frame.components.iter().map(blocks).collect();
        Self { reduction, part, blocks }
    }

    /// Whether the block in this column and row of a component is decoded.
    #[inline(always)]
    pub fn has(&self, component: usize, (column, row): (usize, usize)) -> bool {
        let part = &self.blocks[component];
        part.columns.contains(&column) && part.rows.contains(&row)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use models::{Channels, Filter, InputSpec, Layout, Resize};

    use super::super::{File, decode, samples};
    use super::*;
    use crate::{Format, Limits, Preprocessor, decoded::Raster, geometry::Need, orientation::Orientation};

    /// The middle of an image whose shorter side has twice as many pixels.
    fn spec(side: u32) -> InputSpec {
        InputSpec {
            name: None,
            layout: Layout::Nhwc,
            height: side,
            width: side,
            channels: Channels::Rgb,
            resize: Resize::ShorterSide,
            resize_to: Some(2 * side),
            filter: Filter::Bilinear,
            fill: None,
            scale: 1.0,
            mean: vec![0.0; 3],
            std: vec![1.0; 3],
        }
    }

    /// A file with an orientation.
    fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0";
        [&jpeg[..2], exif, &[orientation], &[0; 6], &jpeg[2..]].concat()
    }

    /// The whole image, at the scale at which a part of it was decoded.
    fn whole(bytes: &[u8], part: &Raster) -> Raster {
        let mut file = File::new(bytes);
        let frame = file.read_frame().unwrap();
        let color = file.color(&frame);
        let all = Part { columns: 0..frame.width, rows: 0..frame.height };
        let window = Window::new(&frame, part.reduction as usize, &all);
        let (pixels, _) = samples(&mut file, &frame, color, &window).unwrap();
        let Raster { width, height, reduction, truncated, orientation, .. } = *part;
        Raster { width, height, reduction, part: window.part, pixels, truncated, orientation }
    }

    fn area(raster: &Raster) -> usize {
        raster.part.columns.len() * raster.part.rows.len()
    }

    #[test]
    fn a_part_gives_the_tensor_of_the_whole() {
        let mut reductions = BTreeSet::new();
        for bytes in [
            &include_bytes!("../../fixtures/reduced-420.jpg")[..],
            include_bytes!("../../fixtures/reduced-422.jpg"),
            include_bytes!("../../fixtures/reduced-440.jpg"),
            include_bytes!("../../fixtures/reduced-444.jpg"),
            include_bytes!("../../fixtures/progressive-420.jpg"),
            include_bytes!("../../fixtures/411.jpg"),
        ] {
            for (orientation, side) in (1..=8).flat_map(|turn| [1, 3, 6, 10].map(|side| (turn, side))) {
                let (bytes, spec) = (turned(bytes, orientation), spec(side));
                let tensor = |raster: Raster| {
                    let mut tensor = vec![f32::NAN; spec.len()];
                    Preprocessor::new(&spec).fill(&raster.into_decoded(Format::Jpeg), &mut tensor);
                    tensor
                };
                let part = decode(&bytes, &Limits::default(), &Need::Tensor(&spec)).unwrap();
                let whole = whole(&bytes, &part);
                assert!(side < 6 || area(&part) < area(&whole));
                assert_eq!(part.orientation, Orientation::from_exif(orientation.into()));
                reductions.insert(part.reduction);
                assert_eq!(tensor(part), tensor(whole), "orientation {orientation}, {side} pixels a side");
            }
        }
        assert_eq!(reductions, [1, 2, 4, 8].into());
    }
}
