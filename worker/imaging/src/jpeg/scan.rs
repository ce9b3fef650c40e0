//! Entropy-coded scans: which blocks come in which order, and how coefficients are coded.

use std::ops::Range;

use super::bits::{Bits, Plain};
use super::frame::{Frame, Tables};
use super::huffman::{Huffman, coefficient};
use super::window::Window;
use crate::{DecodeError, geometry};

/// A scan header.
pub(super) struct Scan {
    /// The components in it.
    pub parts: Vec<Part>,
    /// First and last coefficient, in zigzag order.
    pub band: (usize, usize),
    /// Bits that earlier scans have left out, and that this one leaves out.
    pub bits: (u32, u32),
}

/// A component in a scan.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// Position of the component in the frame.
    pub component: usize,
    /// Numbers of its Huffman tables.
    pub dc: usize,
    /// See `dc`.
    pub ac: usize,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With its last block; the position of the next marker.
    Whole(usize),
    /// Before its last block.
    Early,
}

/// What is carried from block to block between restart markers.
#[derive(Default)]
pub(super) struct Carry {
    /// The last first coefficient of each part.
    pub firsts: [i32; 4],
    /// Blocks that have no more coefficients in this band.
    pub end_of_band: u32,
}

/// What becomes of the blocks of a scan. (A trait, because a closure cannot be told to be inlined.)
pub(super) trait Groups {
    /// Takes the groups of blocks in these columns of a row. What comes after the one in which the data ends does not count.
    fn take(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        columns: Range<usize>,
        row: usize,
    ) -> Result<(), DecodeError>;
}

impl Scan {
    /// Of the body of a start-of-scan segment.
    pub fn parse(body: &[u8], frame: &Frame) -> Result<Self, DecodeError> {
        let bad = |what: &str| DecodeError::Undecodable(format!("a scan header with {what}"));
        let [count, rest @ ..] = body else { return Err(bad("no components")) };
        let count = usize::from(*count);
        let (Some(specs), Some(&[first, last, bits])) = (rest.get(..count * 2), rest.get(count * 2..count * 2 + 3))
        else {
            return Err(bad("too few bytes"));
        };
        let mut parts: Vec<Part> = Vec::with_capacity(count);
        for &[id, tables] in specs.as_chunks::<2>().0 {
            let component = frame.components.iter().position(|component| component.id == id);
            let component = component.ok_or_else(|| bad("an unknown component"))?;
            if parts.iter().any(|part| part.component == component) {
                return Err(bad("a component twice"));
            }
            let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            if dc > 3 || ac > 3 {
                return Err(bad("a table that cannot be"));
            }
            parts.push(Part { component, dc, ac });
        }
        let band = (usize::from(first), usize::from(last));
        let bits = (u32::from(bits >> 4), u32::from(bits & 15));
        let blocks: usize = parts.iter().map(|part| frame.components[part.component].sampling).map(|s| s.0 * s.1).sum();
        if parts.is_empty() || parts.len() > 1 && blocks > 10 {
            return Err(bad("too many or too few blocks in a group"));
        }
        if !frame.progressive {
            return Ok(Self { parts, band: (0, 63), bits: (0, 0) });
        }
        let dc_only = band == (0, 0);
        let ac_only = 0 < band.0 && band.0 <= band.1 && band.1 < 64 && parts.len() == 1;
        if !(dc_only || ac_only) || bits.1 > 13 || bits.0 != 0 && bits.0 != bits.1 + 1 {
            return Err(bad("a band or bits that cannot be"));
        }
        Ok(Self { parts, band, bits })
    }

    /// Groups of blocks across and down. Alone, a component comes block by block, and without those that only fill up groups.
    fn groups(&self, frame: &Frame) -> (usize, usize) {
        match self.parts.as_slice() {
            [part] => frame.components[part.component].blocks,
            _ => frame.groups,
        }
    }

    /// The blocks of a group, in their order.
    pub fn group(&self, frame: &Frame) -> Vec<Member> {
        let alone = self.parts.len() == 1;
        let members = |(part, &Part { component, .. }): (usize, &Part)| {
            let shape = if alone { (1, 1) } else { frame.components[component].sampling };
            let places = (0..shape.1).flat_map(move |row| (0..shape.0).map(move |column| (column, row)));
            places.map(move |within| Member { part, component, shape, within })
        };
        self.parts.iter().enumerate().flat_map(members).collect()
    }

    /// What is wanted of the groups.
    pub fn wanted<'a>(&self, window: &'a Window) -> &'a geometry::Part {
        match self.parts.as_slice() {
            [part] => &window.blocks[part.component],
            _ => &window.groups,
        }
    }

    /// Hands all blocks of the scan to `groups`, in the order of its data, which starts at `position` of `data`. Stops
    /// where the data ends, and after so many `rows` if the data goes on to the end of the scan by all appearances.
    #[inline(always)]
    pub fn for_each_group(
        &self,
        frame: &Frame,
        restart: usize,
        (data, position): (&[u8], usize),
        rows: usize,
        groups: &mut impl Groups,
    ) -> Result<End, DecodeError> {
        let mut plain = Plain::default();
        let mut marker = plain.fill(data, position);
        let (mut bits, mut carry) = (Bits::new(&plain), Carry::default());
        let (across, down) = self.groups(frame);
        // Of a progressive file, every scan needs what the scans before it have read of its blocks.
        let complete = !frame.progressive && restart == 0 && follows(data.get(marker + 1));
        let down = if complete { down.min(rows) } else { down };
        let every = if restart == 0 { usize::MAX } else { restart };
        let mut until_restart = every;
        for row in 0..down {
            let mut column = 0;
            while column < across {
                if until_restart == 0 {
                    match data.get(marker + 1) {
                        Some(0xd0..=0xd7) => {}
                        Some(0xd9) | None => return Ok(End::Early),
                        Some(_) => return Err(DecodeError::Undecodable("a restart marker is missing".into())),
                    }
                    marker = plain.fill(data, marker + 2);
                    (bits, carry) = (Bits::new(&plain), Carry::default());
                    until_restart = every;
                }
                let count = until_restart.min(across - column);
                groups.take(&mut bits, &mut carry, column..column + count, row)?;
                if bits.overran() {
                    return early(data, marker);
                }
                column += count;
                until_restart -= count;
            }
        }
        Ok(End::Whole(marker))
    }
}

/// A block of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Number of its part.
    pub part: usize,
    /// Position of its component in the frame.
    pub component: usize,
    /// Blocks of its part in a group, across and down.
    pub shape: (usize, usize),
    /// Which of these it is: column and row.
    pub within: (usize, usize),
}

impl Member {
    /// Column and row of the block in its component, if the group is in this column and row.
    #[inline(always)]
    pub fn place(&self, (column, row): (usize, usize)) -> (usize, usize) {
        (column * self.shape.0 + self.within.0, row * self.shape.1 + self.within.1)
    }
}

/// Whether this is the code of a marker that comes after a complete scan: that of tables, of the next scan, or of the end of the file.
fn follows(code: Option<&u8>) -> bool {
    matches!(code, Some(0xc4 | 0xd9 | 0xda | 0xdb))
}

/// What it means that the data ends, at `marker`, before the last block.
fn early(data: &[u8], marker: usize) -> Result<End, DecodeError> {
    match data.get(marker + 1) {
        Some(0xd9) | None => Ok(End::Early),
        Some(code) => Err(DecodeError::Undecodable(format!("marker ff {code:02x} in the middle of a scan"))),
    }
}

/// The DC table of a part.
pub(super) fn dc(tables: &Tables, part: Part) -> Result<&Huffman, DecodeError> {
    tables.dc[part.dc].as_ref().ok_or_else(|| DecodeError::Undecodable("a scan without its Huffman table".into()))
}

/// The AC table of a part.
pub(super) fn ac(tables: &Tables, part: Part) -> Result<&Huffman, DecodeError> {
    tables.ac[part.ac].as_ref().ok_or_else(|| DecodeError::Undecodable("a scan without its Huffman table".into()))
}

/// The difference to the last DC coefficient.
#[inline(always)]
pub(super) fn difference(dc: &Huffman, bits: &mut Bits<'_>) -> Result<i32, DecodeError> {
    bits.refill();
    let symbol = dc.symbol(bits.peek()).checked()?;
    let value = coefficient(bits.peek() << symbol.code_bits(), symbol.size());
    bits.consume(symbol.bits().into());
    Ok(value)
}
