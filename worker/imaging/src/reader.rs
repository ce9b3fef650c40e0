//! The rows of an image as a resampler goes through them, from the top down.

use std::ops::Range;

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
    /// Forgets the image before.
    pub fn begin(&mut self) {
        self.rows = 0..0;
    }

    /// Row `number` of `row` samples, and so many more `beyond` it that hold anything.
    pub fn line<'a>(&'a mut self, pixels: &'a Pixels<S>, row: usize, number: usize, beyond: usize) -> &'a [S] {
        let (start, end) = (number * row, (number + 1) * row);
        self.begin();
        match pixels {
            Pixels::Stored(all) => {
                if let Some(line) = all.get(start..end + beyond) {
                    return line;
                }
                self.made.clear();
                self.made.extend_from_slice(&all[start..end]);
            }
            Pixels::Made(rows) => {
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
            Pixels::Stored(all) => return &all[wanted.start * row..wanted.end * row],
            Pixels::Made(rows) => rows,
        };
        let room = MORE * most;
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
