//! The rows of an image as a resampler goes through them, from the top down.

use std::ops::Range;

use crate::buffers::LARGEST;
use crate::jpeg::Room;
use crate::pixels::Pixels;
use crate::sample::Sample;

/// Makes rows that are not stored, and keeps the last ones.
#[derive(Default)]
pub(crate) struct Reader<S> {
    room: Room<S>,
    /// Rows that were made, one after the other.
    made: Vec<S>,
    /// Which these are.
    rows: Range<usize>,
}

impl<S: Sample> Reader<S> {
    /// Forgets the image before, and gives back what few images need.
    pub fn begin(&mut self) {
        self.rows = 0..0;
        if self.made.len() * size_of::<S>() > LARGEST {
            self.made = Vec::new();
        }
    }

    /// Row `number` of `row` samples, and so many more `beyond` it that hold anything.
    pub fn line<'a>(&'a mut self, pixels: &'a Pixels<S>, row: usize, number: usize, beyond: usize) -> &'a [S] {
        let (start, end) = (number * row, (number + 1) * row);
        self.begin();
        match pixels {
            Pixels::All(all) => {
                if let Some(line) = all.get(start..end + beyond) {
                    return line;
                }
                self.made.clear();
                self.made.extend_from_slice(&all[start..end]);
            }
            Pixels::Rows(rows) => {
                self.made.resize(row, S::default());
                rows.write(number, &mut self.room, &mut self.made);
            }
        }
        self.made.resize(row + beyond, S::default());
        &self.made
    }

    /// Some rows of `row` samples, one after the other: at most `most`, and none that begin before those that were asked for last.
    pub fn window<'a>(&'a mut self, pixels: &'a Pixels<S>, row: usize, wanted: Range<usize>, most: usize) -> &'a [S] {
        let rows = match pixels {
            Pixels::All(all) => return &all[wanted.start * row..wanted.end * row],
            Pixels::Rows(rows) => rows,
        };
        let room = (MORE * most).min(rows.count());
        if self.made.len() < room * row {
            self.made.resize(room * row, S::default());
        }
        if wanted.start >= self.rows.end {
            self.rows = wanted.start..wanted.start;
        } else if wanted.end > self.rows.start + room {
            let kept = (wanted.start - self.rows.start) * row..self.rows.len() * row;
            self.made.copy_within(kept, 0);
            self.rows.start = wanted.start;
        }
        for number in self.rows.end..wanted.end {
            let out = &mut self.made[(number - self.rows.start) * row..][..row];
            rows.write(number, &mut self.room, out);
            self.rows.end = number + 1;
        }
        &self.made[(wanted.start - self.rows.start) * row..(wanted.end - self.rows.start) * row]
    }
}

/// So many times the rows of a window are kept: then few are moved.
const MORE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Need;
    use crate::pixels::Samples;
    use crate::{Limits, jpeg};

    #[test]
    fn windows_hold_the_rows_that_were_asked_for() {
        let mut reader = Reader::default();
        for file in [&include_bytes!("../fixtures/reduced-420.jpg")[..], include_bytes!("../fixtures/reduced-440.jpg")]
        {
            let raster = jpeg::decode(file, &Limits::default(), &Need::Thumbnail(1000)).unwrap();
            let Samples::Bytes(pixels) = raster.pixels else { panic!("nothing was to be reduced") };
            let row = raster.part.columns.len() * 3;
            let all = pixels.all(row);
            reader.begin();
            // The first ones, the same again, some more, the next ones, those after a gap, and further until most are forgotten.
            let windows = [0..3, 0..3, 1..4, 4..6, 9..11].into_iter().chain((10..50).map(|start| start..start + 3));
            for wanted in windows {
                let rows = reader.window(&pixels, row, wanted.clone(), 3);
                assert!(rows == &all[wanted.start * row..wanted.end * row], "{wanted:?}");
            }
            assert!(reader.made.len() < all.len() / 3, "few rows are kept");
            for (number, beyond) in [(0, 0), (52, 7), (7, 100)] {
                let line = reader.line(&pixels, row, number, beyond);
                assert!(line.len() == row + beyond && line[..row] == all[number * row..][..row]);
            }
        }
    }
}
