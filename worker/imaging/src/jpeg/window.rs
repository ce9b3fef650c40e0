//! The part of an image that is decoded: what a model crops away is read past.

use std::ops::Range;

use super::frame::{Component, Frame};
use super::progressive::Stored;
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
    /// The groups of blocks that these take, of all components.
    pub groups: Part,
    /// The blocks of each component in these.
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
        let groups = |range: &Range<usize>, side: usize, all: usize| {
            let start = range.start.saturating_sub(AROUND) * reduction / (8 * side);
            start..((range.end + AROUND) * reduction).div_ceil(8 * side).min(all)
        };
        let groups = Part {
            columns: groups(&part.columns, frame.sampling.0, frame.groups.0),
            rows: groups(&part.rows, frame.sampling.1, frame.groups.1),
        };
        let blocks = |component: &Component| {
            let of = |range: &Range<usize>, side: usize| range.start * side..range.end * side;
            Part { columns: of(&groups.columns, component.sampling.0), rows: of(&groups.rows, component.sampling.1) }
        };
        let blocks = frame.components.iter().map(blocks).collect();
        Self { reduction, part, groups, blocks }
    }

    /// Bytes that are held to decode it at full scale: its samples and, of a progressive file, the coefficients of the whole frame.
    pub fn bytes(&self, frame: &Frame) -> u64 {
        let samples: usize = self.blocks.iter().map(|blocks| 64 * blocks.columns.len() * blocks.rows.len()).sum();
        let padded = frame.components.iter().map(|component| component.padded.0 * component.padded.1);
        let coefficients = if frame.progressive { padded.sum::<usize>() * Stored::BYTES_OF_A_BLOCK } else { 0 };
        (samples + coefficients) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use models::{Channels, Filter, InputSpec, Layout, Resize};

    use super::super::{File, decode, samples};
    use super::*;
    use crate::{Format, Limits, OnTruncated, Preprocessor, decoded::Raster, geometry::Need, orientation::Orientation};

    const FILTERS: [Filter; 3] = [Filter::Nearest, Filter::Bilinear, Filter::Lanczos];

    /// The middle of an image whose shorter side has so many times as many pixels.
    fn middle(side: u32, times: u32) -> InputSpec {
        InputSpec {
            name: None,
            layout: Layout::Nhwc,
            height: side,
            width: side,
            channels: Channels::Rgb,
            resize: Resize::ShorterSide,
            resize_to: Some(times * side),
            filter: Filter::Bilinear,
            fill: None,
            full_decode: false,
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
        let Raster { width, height, reduction, bytes_in_full, truncated, orientation, .. } = *part;
        Raster { width, height, reduction, bytes_in_full, part: window.part, pixels, truncated, orientation }
    }

    fn tensor(raster: Raster, spec: &InputSpec) -> Vec<f32> {
        let mut tensor = vec![f32::NAN; spec.len()];
        Preprocessor::new(spec).fill(&raster.into_decoded(Format::Jpeg), &mut tensor);
        tensor
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
            let middles = [(1, 2), (3, 2), (6, 2), (10, 2), (1, 8), (2, 8), (5, 8)];
            let cases = (1..=8).flat_map(|turn| middles.map(|middle| (turn, middle)));
            for (orientation, (side, times), filter) in
                cases.flat_map(|(turn, middle)| FILTERS.map(|filter| (turn, middle, filter)))
            {
                let (bytes, spec) = (turned(bytes, orientation), InputSpec { filter, ..middle(side, times) });
                let part = decode(&bytes, &Limits::default(), &Need::Tensor(&spec)).unwrap();
                let whole = whole(&bytes, &part);
                assert!(side < 6 || filter == Filter::Lanczos || area(&part) < area(&whole));
                assert_eq!(part.orientation, Orientation::from_exif(orientation.into()));
                reductions.insert(part.reduction);
                assert_eq!(
                    tensor(part, &spec),
                    tensor(whole, &spec),
                    "orientation {orientation}, {side} pixels a side of {times} times as many, {filter:?}"
                );
            }
        }
        assert_eq!(reductions, [1, 2, 4, 8].into());
    }

    #[test]
    fn what_a_full_decode_would_hold_is_known_after_a_reduced_one() {
        let in_full = |bytes: &[u8], spec: &InputSpec| {
            decode(bytes, &Limits::default(), &Need::Tensor(spec)).unwrap().bytes_in_full
        };
        let whole = |side| InputSpec { resize: Resize::Stretch, resize_to: None, ..middle(side, 1) };
        let file = include_bytes!("../../fixtures/reduced-420.jpg");
        // 67 x 53 pixels are 5 x 4 groups of 16 x 16: as many bytes of luma, half as many of both colours.
        assert_eq!(in_full(file, &whole(10)), Some(5 * 4 * 16 * 16 * 3 / 2));
        assert_eq!(in_full(file, &InputSpec { full_decode: true, ..whole(10) }), None);
        assert_eq!(in_full(file, &whole(30)), None, "it is not reduced");
        assert_eq!(in_full(file, &middle(1, 10)), Some(2 * 3 * 16 * 16 * 3 / 2), "the middle is in 2 x 3 of them");
        // 35 x 25 pixels are 3 x 2 groups of six blocks; coefficients take two bytes, and a bit each.
        let file = include_bytes!("../../fixtures/progressive-420.jpg");
        assert_eq!(in_full(file, &whole(5)), Some(3 * 2 * 6 * (64 + 128 + 8)));
    }

    #[test]
    fn a_part_of_a_cut_file_is_grey_where_the_whole_is() {
        let limits = Limits { on_truncated: OnTruncated::Warn, ..Limits::default() };
        for bytes in [
            &include_bytes!("../../fixtures/reduced-420.jpg")[..],
            include_bytes!("../../fixtures/reduced-444.jpg"),
            include_bytes!("../../fixtures/progressive-420.jpg"),
        ] {
            let mut cut = 0;
            for (length, side) in
                (bytes.len() / 4..bytes.len()).step_by(37).flat_map(|at| [1, 3, 10].map(|side| (at, side)))
            {
                let (bytes, spec) = (&bytes[..length], middle(side, 8));
                let Ok(part) = decode(bytes, &limits, &Need::Tensor(&spec)) else { continue };
                cut += u32::from(part.truncated);
                let whole = whole(bytes, &part);
                assert_eq!(tensor(part, &spec), tensor(whole, &spec), "{length} bytes, {side} pixels a side");
            }
            assert!(cut > 50, "only {cut} files are cut");
        }
    }

    #[test]
    fn what_comes_after_the_part_is_not_read_if_an_end_marker_shows_that_it_is_there() {
        for (bytes, reads_on) in [
            (&include_bytes!("../../fixtures/reduced-420.jpg")[..], false),
            (include_bytes!("../../fixtures/restart.jpg"), true),
            (include_bytes!("../../fixtures/progressive-420.jpg"), true),
        ] {
            let (limits, spec) = (Limits::default(), middle(1, 8));
            let decoded = |bytes: &[u8], need: &Need<'_>| decode(bytes, &limits, need).map_err(|error| error.code());
            let whole = tensor(decoded(bytes, &Need::Tensor(&spec)).unwrap(), &spec);
            let cut = &bytes[..bytes.len() - 30];
            let ended = [cut, &[0xff, 0xd9]].concat();
            assert_eq!(decoded(cut, &Need::Tensor(&spec)).unwrap_err(), "truncated");
            assert_eq!(decoded(&ended, &Need::Thumbnail(500)).unwrap_err(), "truncated");
            match decoded(&ended, &Need::Tensor(&spec)) {
                Ok(part) if !reads_on => assert_eq!(tensor(part, &spec), whole),
                Err(code) if reads_on => assert_eq!(code, "truncated"),
                other => panic!("{other:?}"),
            }
        }
    }
}
