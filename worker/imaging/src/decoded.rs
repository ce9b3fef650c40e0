//! The pixels of one image.

use std::borrow::Cow;
use std::ops::Range;

use crate::geometry::Part;
use crate::pixels::{Pixels, Samples};
use crate::sample::{Fine, Sample};
use crate::{Format, orientation::Orientation};

/// The pixels of one image, the right way up, in RGB; perhaps at a reduced scale, and only those that the input counts which
/// the image was decoded for.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Width of the full image in pixels, as displayed.
    pub width: u32,
    /// Height of the full image in pixels, as displayed.
    pub height: u32,
    /// Whether the file ended before the image did.
    pub truncated: bool,
    /// What the file was.
    pub format: Format,
    /// Bytes that the decoder would hold to decode the image at full scale; none if these are its pixels at full scale.
    pub bytes_in_full: Option<u64>,
    pixels: Samples,
    /// Columns and rows of these, as they are stored.
    stored: (usize, usize),
    orientation: Orientation,
    means: (Means, Means),
}

/// How the pixels that there are stand for those of the full image, along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Means {
    /// 1, 2, 4 or 8: each stored pixel is the mean of so many.
    pub of: usize,
    /// So many pixels of the very first mean lie before the image begins. At a reduced scale the last column or row of a
    /// stored image may be covered only in part; once turned, the first.
    pub before: usize,
    /// So many means come before the first one that is there.
    pub skipped: usize,
}

#[cfg(test)]
impl Means {
    /// The pixels themselves.
    pub const NONE: Self = Self { of: 1, before: 0, skipped: 0 };
}

/// What a format's decoder hands over: pixels as stored, before orientation.
#[derive(Debug)]
pub(crate) struct Raster {
    /// Size of the full image as stored, in pixels.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// 1, 2, 4 or 8: the image is reduced to ⌈width / reduction⌉ × ⌈height / reduction⌉ pixels.
    pub reduction: u32,
    /// Bytes that the decoder would hold to decode the image at full scale; none if it did.
    pub bytes_in_full: Option<u64>,
    /// Which of those are there.
    pub part: Part,
    /// Their pixels.
    pub pixels: Samples,
    /// Whether the file ended before the image did.
    pub truncated: bool,
    /// How it is to be shown.
    pub orientation: Orientation,
}

impl Raster {
    /// The whole of an image at full size.
    pub fn whole((width, height): (u32, u32), pixels: Vec<u8>, truncated: bool, orientation: Orientation) -> Self {
        let part = Part { columns: 0..width as usize, rows: 0..height as usize };
        let pixels = Samples::Bytes(pixels.into());
        Self { width, height, reduction: 1, bytes_in_full: None, part, pixels, truncated, orientation }
    }

    /// The image as it is shown. Its pixels are turned when they are few: after they are resized.
    pub fn into_decoded(self, format: Format) -> Decoded {
        let Self { width, height, reduction, bytes_in_full, part, pixels, truncated, orientation } = self;
        let stored = (part.columns.len(), part.rows.len());
        let means = |flip: bool, full: u32, there: Range<usize>| {
            let (of, last) = (reduction as usize, full.div_ceil(reduction) as usize);
            let (before, skipped) = if flip { (last * of - full as usize, last - there.end) } else { (0, there.start) };
            Means { of, before, skipped }
        };
        let means = orientation
            .size((means(orientation.flip_u, width, part.columns), means(orientation.flip_v, height, part.rows)));
        let (width, height) = orientation.size((width, height));
        Decoded { width, height, truncated, format, bytes_in_full, pixels, stored, orientation, means }
    }
}

impl Decoded {
    /// RGB8, row by row from the top: `pixel_size` pixels. Those of a JPEG, and of an image that is stored turned, are made at every call.
    pub fn pixels(&self) -> Cow<'_, [u8]> {
        match &self.pixels {
            Samples::Bytes(pixels) => self.shown(pixels),
            Samples::Fine(pixels) => self.shown(pixels).iter().map(|&sample| rounded(sample)).collect(),
        }
    }

    /// The right way up.
    fn shown<'a, S: Sample>(&self, pixels: &'a Pixels<S>) -> Cow<'a, [S]> {
        let pixels = pixels.all(self.stored.0 * 3);
        if self.orientation == Orientation::default() {
            return pixels;
        }
        let mut shown = vec![S::default(); pixels.len()];
        self.orientation.apply(&pixels, self.stored, &mut shown);
        Cow::Owned(shown)
    }

    /// Width and height of [`pixels`](Self::pixels): those of the image, or less at a reduced scale or of a part.
    pub fn pixel_size(&self) -> (u32, u32) {
        let (columns, rows) = self.stored;
        self.orientation.size((columns as u32, rows as u32))
    }

    /// The pixels as they are stored, as precise as they are.
    pub(crate) fn samples(&self) -> &Samples {
        &self.pixels
    }

    /// Columns and rows of these.
    pub(crate) fn stored_size(&self) -> (usize, usize) {
        self.stored
    }

    /// How these are shown.
    pub(crate) fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// With all pixels made.
    #[cfg(test)]
    pub(crate) fn all_made(&self) -> Self {
        let row = self.stored.0 * 3;
        let pixels = match &self.pixels {
            Samples::Bytes(pixels) => Samples::Bytes(pixels.all(row).into_owned().into()),
            Samples::Fine(pixels) => Samples::Fine(pixels.all(row).into_owned().into()),
        };
        Self { pixels, ..self.clone() }
    }

    /// With all pixels made, and the right way up.
    #[cfg(test)]
    pub(crate) fn upright(&self) -> Self {
        let pixels = match &self.pixels {
            Samples::Bytes(pixels) => Samples::Bytes(self.shown(pixels).into_owned().into()),
            Samples::Fine(pixels) => Samples::Fine(self.shown(pixels).into_owned().into()),
        };
        let stored = self.orientation.size(self.stored);
        Self { pixels, stored, orientation: Orientation::default(), ..self.clone() }
    }

    /// How the pixels stand for those of the full image, across and down.
    pub(crate) fn means(&self) -> (Means, Means) {
        self.means
    }
}

/// The nearest byte.
fn rounded(sample: Fine) -> u8 {
    u8::clamped((sample.steps() + (1 << (Fine::FRACTION - 1))) >> Fine::FRACTION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partly_covered_edge_turns_with_the_image() {
        let raster = |columns, orientation| Raster {
            width: 9,
            height: 5,
            reduction: 4,
            bytes_in_full: None,
            part: Part { columns, rows: 0..2 },
            pixels: Samples::Fine(vec![0; 3 * 2 * 3].into()),
            truncated: false,
            orientation: Orientation::from_exif(orientation),
        };
        let upright = raster(0..3, 1).into_decoded(Format::Jpeg);
        let whole = Means { of: 4, before: 0, skipped: 0 };
        assert_eq!(upright.pixel_size(), (3, 2));
        assert_eq!(upright.means(), (whole, whole));
        let turned = raster(0..3, 6).into_decoded(Format::Jpeg);
        assert_eq!((turned.width, turned.height, turned.pixel_size()), (5, 9, (2, 3)));
        assert_eq!(turned.means(), (Means { before: 3, ..whole }, whole));
        // The last of three columns is the first once the image is turned round.
        let part =
            Raster { pixels: Samples::Fine(vec![0; 2 * 2 * 3].into()), ..raster(1..3, 1) }.into_decoded(Format::Jpeg);
        assert_eq!(part.means(), (Means { skipped: 1, ..whole }, whole));
        let round =
            Raster { pixels: Samples::Fine(vec![0; 2 * 2 * 3].into()), ..raster(1..3, 3) }.into_decoded(Format::Jpeg);
        assert_eq!((round.pixel_size(), round.means().0), ((2, 2), Means { before: 3, ..whole }));
    }
}
