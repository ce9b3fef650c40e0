//! The eight orientations of EXIF, and turning pixels into the one that people see.

use std::ops::Range;

use crate::{geometry::Part, sample::Sample};

/// How stored pixels become displayed pixels: the displayed pixel `(x, y)` is the stored pixel `(u, v)`, where
/// `(u, v)` is `(y, x)` if the axes are swapped and `(x, y)` otherwise, counted from the far end where flipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orientation {
    pub swap: bool,
    pub flip_u: bool,
    pub flip_v: bool,
}

/// Side of the squares in which axes are swapped, in pixels: a row of each stays in the cache.
const TILE: usize = 32;

impl Orientation {
    /// Of an EXIF value, 1–8; anything else is taken for 1, as Pillow does.
    pub fn from_exif(value: u32) -> Self {
        let (swap, flip_u, flip_v) = match value {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, false, true),
            7 => (true, true, true),
            8 => (true, true, false),
            _ => (false, false, false),
        };
        Self { swap, flip_u, flip_v }
    }

    /// The displayed size of a stored size.
    pub fn size<T>(self, (width, height): (T, T)) -> (T, T) {
        if self.swap { (height, width) } else { (width, height) }
    }

    /// The part of a stored `width` × `height` image that is shown as `part`.
    pub fn stored(self, part: Part, (width, height): (usize, usize)) -> Part {
        let (columns, rows) = self.size((part.columns, part.rows));
        let turned = |flip: bool, range: Range<usize>, length: usize| {
            if flip { length - range.end..length - range.start } else { range }
        };
        Part { columns: turned(self.flip_u, columns, width), rows: turned(self.flip_v, rows, height) }
    }

    /// Turns stored RGB pixels (`height` rows of `width`) into displayed ones, as many.
    pub fn apply<S: Sample>(self, stored: &[S], (width, height): (usize, usize), shown: &mut [S]) {
        debug_assert_eq!((stored.len(), shown.len()), (width * height * 3, width * height * 3));
        let (stored, _) = stored.as_chunks::<3>();
        let (out, _) = shown.as_chunks_mut::<3>();
        let (out_width, out_height) = self.size((width, height));
        let u_of = |u: usize| if self.flip_u { width - 1 - u } else { u };
        let v_of = |v: usize| if self.flip_v { height - 1 - v } else { v };
        if !self.swap {
            for (y, row) in out.chunks_exact_mut(width).enumerate() {
                let from = &stored[v_of(y) * width..][..width];
                row.copy_from_slice(from);
                if self.flip_u {
                    row.reverse();
                }
            }
            return;
        }
        for top in (0..out_height).step_by(TILE) {
            for left in (0..out_width).step_by(TILE) {
                for y in top..(top + TILE).min(out_height) {
                    let u = u_of(y);
                    for x in left..(left + TILE).min(out_width) {
                        out[y * out_width + x] = stored[v_of(x) * width + u];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(orientation: Orientation, stored: &[u8], width: usize, height: usize) -> Vec<u8> {
        let mut shown = vec![0; stored.len()];
        orientation.apply(stored, (width, height), &mut shown);
        shown
    }

    /// A 3×2 image whose pixels are named by letters, and how each orientation shows it.
    #[test]
    fn every_orientation_as_exif_defines_it() {
        let named = |text: &str| text.bytes().flat_map(|letter| [letter; 3]).collect::<Vec<u8>>();
        for (value, shown) in [
            (1, "abcdef"),
            (2, "cbafed"),
            (3, "fedcba"),
            (4, "defabc"),
            (5, "adbecf"),
            (6, "daebfc"),
            (7, "fcebda"),
            (8, "cfbead"),
            (9, "abcdef"),
        ] {
            let orientation = Orientation::from_exif(value);
            assert_eq!(turned(orientation, &named("abcdef"), 3, 2), named(shown), "orientation {value}");
            assert_eq!(orientation.size((3, 2)), if (5..=8).contains(&value) { (2, 3) } else { (3, 2) });
        }
    }

    #[test]
    fn a_shown_part_is_found_where_it_is_stored() {
        let named = |text: &str| text.bytes().flat_map(|letter| [letter; 3]).collect::<Vec<u8>>();
        let cut = |pixels: &[u8], width: usize, part: &Part| -> Vec<u8> {
            part.rows
                .clone()
                .flat_map(|row| &pixels[row * width * 3..][part.columns.start * 3..part.columns.end * 3])
                .copied()
                .collect()
        };
        let stored = named("abcdefghijkl");
        for value in 1..=8 {
            let orientation = Orientation::from_exif(value);
            let part = Part { columns: 1..3, rows: 0..2 };
            let shown = cut(&turned(orientation, &stored, 4, 3), orientation.size((4, 3)).0, &part);
            let there = orientation.stored(part, (4, 3));
            let turned = turned(orientation, &cut(&stored, 4, &there), there.columns.len(), there.rows.len());
            assert_eq!(turned, shown, "orientation {value}");
        }
    }

    #[test]
    fn tiles_cover_sizes_that_are_no_multiple_of_them() {
        let (width, height) = (TILE * 2 + 5, TILE + 3);
        let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect();
        let shown = turned(Orientation::from_exif(6), &pixels, width, height);
        assert_eq!(turned(Orientation::from_exif(8), &shown, height, width), pixels);
    }
}
