//! Entropy-coded scans: which blocks come in which order, and how coefficients are coded.

use super::bits::{Bits, Plain};
use super::frame::{Frame, Tables};
use super::huffman::{Huffman, Pairs, coefficient, wrong_code};
use super::scale::{Sink, Source};
use crate::DecodeError;

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
    /// The last DC coefficient of each part.
    pub dc: [i32; 4],
    /// Blocks that have no more coefficients in this band.
    pub end_of_band: u32,
}

/// What becomes of the blocks of a scan. (A trait, because a closure cannot be told to be inlined.)
pub(super) trait Blocks {
    /// Takes the block in column and row `place` of the part with this number.
    fn take(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        number: usize,
        place: (usize, usize),
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

    /// Hands every block of the scan to `blocks`, in the order of its data, which starts at `position` of `data`. Stops
    /// where the data ends.
    #[inline(always)]
    pub fn for_each_block(
        &self,
        frame: &Frame,
        restart: usize,
        (data, position): (&[u8], usize),
        blocks: &mut impl Blocks,
    ) -> Result<End, DecodeError> {
        let mut plain = Plain::default();
        let mut marker = plain.fill(data, position);
        let (mut bits, mut carry) = (Bits::new(&plain), Carry::default());
        let (across, down, shapes) = match self.parts.as_slice() {
            // Alone, a component comes block by block, and without those that only fill up groups.
            [part] => {
                let (across, down) = frame.components[part.component].blocks;
                (across, down, vec![(1, 1)])
            }
            parts => {
                let shapes = parts.iter().map(|part| frame.components[part.component].sampling).collect();
                (frame.groups.0, frame.groups.1, shapes)
            }
        };
        let mut until_restart = restart;
        for y in 0..down {
            for x in 0..across {
                if restart > 0 && until_restart == 0 {
                    match data.get(marker + 1) {
                        Some(0xd0..=0xd7) => {}
                        Some(0xd9) | None => return Ok(End::Early),
                        Some(_) => return Err(DecodeError::Undecodable("a restart marker is missing".into())),
                    }
                    marker = plain.fill(data, marker + 2);
                    (bits, carry) = (Bits::new(&plain), Carry::default());
                    until_restart = restart;
                }
                until_restart = until_restart.wrapping_sub(1);
                for (number, &(columns, rows)) in shapes.iter().enumerate() {
                    for row in 0..rows {
                        for column in 0..columns {
                            let place = (x * columns + column, y * rows + row);
                            blocks.take(&mut bits, &mut carry, number, place)?;
                        }
                    }
                }
                if bits.overran() {
                    return early(data, marker);
                }
            }
        }
        Ok(End::Whole(marker))
    }
}

/// What it means that the data ends, at `marker`, before the last block.
fn early(data: &[u8], marker: usize) -> Result<End, DecodeError> {
    match data.get(marker + 1) {
        Some(0xd9) | None => Ok(End::Early),
        Some(code) => Err(DecodeError::Undecodable(format!("marker ff {code:02x} in the middle of a scan"))),
    }
}

/// Coding tables of one part of a sequential scan.
pub(super) struct Sequential<'a> {
    dc: &'a Huffman,
    ac: &'a Huffman,
    pairs: &'a Pairs,
}

/// Where reading stops at the latest, but for a wrong code: at the end of a block after its last coefficient but one.
const LAST_END: usize = 63 + 64;

impl<'a> Sequential<'a> {
    /// For a part.
    pub fn new(tables: &'a Tables, part: Part) -> Result<Self, DecodeError> {
        let ac = ac(tables, part)?;
        Ok(Self { dc: dc(tables, part)?, ac, pairs: ac.pairs() })
    }

    /// The next block; `last_dc` is the first coefficient of the one before.
    #[inline(always)]
    pub fn block<'b, 'data>(&'b self, bits: &'b mut Bits<'data>, last_dc: &'b mut i32) -> Coded<'b, 'data> {
        Coded { coding: self, bits, last_dc }
    }
}

/// A block of a sequential scan.
pub(super) struct Coded<'a, 'data> {
    coding: &'a Sequential<'a>,
    bits: &'a mut Bits<'data>,
    last_dc: &'a mut i32,
}

impl Source for Coded<'_, '_> {
    #[inline(always)]
    fn first(self) -> Result<i32, DecodeError> {
        let mut bits = *self.bits;
        *self.last_dc = self.last_dc.wrapping_add(difference(self.coding.dc, &mut bits)?);
        let mut next = 1;
        // Of the bits that reading the first coefficient made valid, enough for two looks are left.
        loop {
            next = self.coding.pass(&mut bits, next);
            if next >= 64 {
                break;
            }
            next = self.coding.pass(&mut bits, next);
            if next >= 64 {
                break;
            }
            bits.refill();
        }
        *self.bits = bits;
        if next > LAST_END { Err(wrong_code()) } else { Ok(*self.last_dc) }
    }

    #[inline(always)]
    fn all(self, sink: &mut impl Sink) -> Result<usize, DecodeError> {
        let mut bits = *self.bits;
        *self.last_dc = self.last_dc.wrapping_add(difference(self.coding.dc, &mut bits)?);
        sink.put_first(*self.last_dc);
        let mut place = Place { next: 1, last: 0 };
        loop {
            self.coding.take(&mut bits, &mut place, sink);
            if place.next >= 64 {
                break;
            }
            self.coding.take(&mut bits, &mut place, sink);
            if place.next >= 64 {
                break;
            }
            bits.refill();
        }
        *self.bits = bits;
        if place.next > LAST_END {
            return Err(wrong_code());
        }
        // The last symbol is the end of the block, unless the block is full.
        Ok(if place.next == 64 { 63 } else { place.last })
    }
}

/// How far a block is read, in zigzag order.
struct Place {
    /// The coefficient that comes next: 64 or more at the end.
    next: usize,
    /// The last one before the symbol that was read last.
    last: usize,
}

impl Sequential<'_> {
    /// Hands the next one or two coefficients, or the end of the block, to `sink`. At least 11 bits must be valid.
    #[inline(always)]
    fn take(&self, bits: &mut Bits<'_>, place: &mut Place, sink: &mut impl Sink) {
        let pair = self.pairs.look(bits);
        if !pair.is_some() {
            bits.refill();
            let symbol = self.ac.look(bits);
            place.last = place.next - 1;
            place.next += symbol.advance() as usize;
            sink.put(place.next - 1, coefficient(bits.peek() << symbol.code_bits(), symbol.size()));
            bits.consume(symbol.bits());
            return;
        }
        let between = place.next + pair.advance();
        if between >= 64 {
            // What comes next belongs to the next block.
            sink.put(between - 1, pair.only());
            bits.consume(pair.first_bits());
            place.last = place.next - 1;
            place.next = between;
            return;
        }
        sink.put(between - 1, pair.first());
        place.last = between - 1;
        place.next += pair.advance_both();
        sink.put(place.next - 1, pair.second());
        bits.consume(pair.bits());
    }

    /// Reads past as much as [`take`](Self::take) takes, from coefficient `next` on; gives the one after it.
    #[inline(always)]
    fn pass(&self, bits: &mut Bits<'_>, next: usize) -> usize {
        let pair = self.pairs.look(bits);
        if !pair.is_some() {
            bits.refill();
            let symbol = self.ac.look(bits);
            bits.consume(symbol.bits());
            return next + symbol.advance() as usize;
        }
        let whole = next + pair.advance() < 64;
        bits.consume(if whole { pair.bits() } else { pair.first_bits() });
        next + if whole { pair.advance_both() } else { pair.advance() }
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
    let symbol = dc.look(bits).checked()?;
    let value = coefficient(bits.peek() << symbol.code_bits(), symbol.size());
    bits.consume(symbol.bits());
    Ok(value)
}
