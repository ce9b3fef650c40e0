//! The pixels of one image, the right way up.

use crate::{Format, buffers, orientation::Orientation};

/// The pixels of one image, the right way up, in RGB8; perhaps at a reduced scale.
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
    pixels: Vec<u8>,
    pixel_width: u32,
    pixel_height: u32,
    means: (Means, Means),
}

/// How the stored pixels stand for those of the full image, along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Means {
    /// 1, 2, 4 or 8: each stored pixel is the mean of so many.
    pub of: usize,
    /// So many of the first one's lie before the image begins. At a reduced scale the last column or row of a stored image
    /// may be covered only in part; once turned, the first.
    pub before: usize,
}

#[cfg(test)]
impl Means {
    /// The pixels themselves.
    pub const NONE: Self = Self { of: 1, before: 0 };
}

/// What a format's decoder hands over: pixels as stored, before orientation.
#[derive(Debug)]
pub(crate) struct Raster {
    /// Size of the full image as stored, in pixels.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// 1, 2, 4 or 8: `pixels` hold ⌈width / reduction⌉ × ⌈height / reduction⌉ pixels.
    pub reduction: u32,
    /// RGB8, row by row from the top.
    pub pixels: Vec<u8>,
    /// Whether the file ended before the image did.
    pub truncated: bool,
    /// How it is to be shown.
    pub orientation: Orientation,
}

impl Raster {
    /// Turns the pixels the right way up.
    pub fn into_decoded(self, format: Format) -> Decoded {
        let Self { width, height, reduction, pixels, truncated, orientation } = self;
        let stored = (width.div_ceil(reduction), height.div_ceil(reduction));
        let pixels = orientation.apply(pixels, stored.0 as usize, stored.1 as usize);
        let means = |flip: bool, stored: u32, full: u32| {
            let before = if flip { stored as usize * reduction as usize - full as usize } else { 0 };
            Means { of: reduction as usize, before }
        };
        let means =
            orientation.size((means(orientation.flip_u, stored.0, width), means(orientation.flip_v, stored.1, height)));
        let (width, height) = orientation.size((width, height));
        let (pixel_width, pixel_height) = orientation.size(stored);
        Decoded { width, height, truncated, format, pixels, pixel_width, pixel_height, means }
    }
}

impl Decoded {
    /// RGB8, row by row from the top: `pixel_size` pixels.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Width and height of [`pixels`](Self::pixels): those of the image, or less at a reduced scale.
    pub fn pixel_size(&self) -> (u32, u32) {
        (self.pixel_width, self.pixel_height)
    }

    /// How the pixels stand for those of the full image, across and down.
    pub(crate) fn means(&self) -> (Means, Means) {
        self.means
    }
}

impl Drop for Decoded {
    fn drop(&mut self) {
        buffers::give(std::mem::take(&mut self.pixels));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partly_covered_edge_turns_with_the_image() {
        let raster = |orientation| Raster {
            width: 9,
            height: 5,
            reduction: 4,
            pixels: vec![0; 3 * 2 * 3],
            truncated: false,
            orientation: Orientation::from_exif(orientation),
        };
        let upright = raster(1).into_decoded(Format::Jpeg);
        assert_eq!(upright.pixel_size(), (3, 2));
        assert_eq!(upright.means(), (Means { of: 4, before: 0 }, Means { of: 4, before: 0 }));
        let turned = raster(6).into_decoded(Format::Jpeg);
        assert_eq!((turned.width, turned.height, turned.pixel_size()), (5, 9, (2, 3)));
        assert_eq!(turned.means(), (Means { of: 4, before: 3 }, Means { of: 4, before: 0 }));
    }
}
