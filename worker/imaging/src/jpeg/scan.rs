//! Entropy-coded scans: which blocks come in which order, and how coefficients are coded.

use super::bits::{Bits, Plain};
use super::frame::{Frame, Tables, ZIGZAG};
use super::huffman::{Huffman, Pairs, coefficient, wrong_code};
use super::idct::Coefficients;
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
    /// What becomes of each coefficient, in zigzag order, and of what lies after the last one.
    steps: [Step; 256],
}

/// What becomes of a coefficient.
#[derive(Clone, Copy)]
struct Step {
    /// Its quantisation step; zero after the last coefficient.
    size: i32,
    /// Where it goes: to entry 64 after the last one.
    place: u32,
}

/// Where reading stops at the latest, but for a wrong code: at the end of a block after its last coefficient but one.
const LAST_END: usize = 63 + 64;

impl<'a> Sequential<'a> {
    /// For a part, with the quantisation table of its component.
    pub fn new(tables: &'a Tables, part: Part, quantisation: &[u16; 64]) -> Result<Self, DecodeError> {
        let mut steps = [Step { size: 0, place: 64 }; 256];
        for ((step, &size), place) in steps.iter_mut().zip(quantisation).zip(ZIGZAG) {
            *step = Step { size: i32::from(size), place: u32::from(place) };
        }
        let ac = ac(tables, part)?;
        Ok(Self { dc: dc(tables, part)?, ac, pairs: ac.pairs(), steps })
    }

    /// Reads a block into dequantised coefficients, and gives the position of the last one, in zigzag order. `block`
    /// holds zeros but for its first coefficient.
    #[inline(always)]
    pub fn read(&self, from: &mut Bits<'_>, last_dc: &mut i32, block: &mut Coefficients) -> Result<usize, DecodeError> {
        let mut bits = *from;
        *last_dc = last_dc.wrapping_add(difference(self.dc, &mut bits)?);
        block[0] = last_dc.wrapping_mul(self.steps[0].size);
        let mut put = |at: usize, value: i32| {
            // The mask changes nothing: no block goes on beyond 64 + 16 + 64.
            let Step { size, place } = self.steps[at & 0xff];
            block[place as usize & 127] = value.wrapping_mul(size);
        };
        let (mut next, mut last) = (1, 0);
        while next < 64 {
            bits.refill();
            let pair = self.pairs.look(&bits);
            if pair.is_some() {
                let between = next + pair.advance();
                put(between - 1, pair.value());
                if between >= 64 {
                    // What comes next belongs to the next block.
                    bits.consume(pair.first_bits());
                    last = next - 1;
                    next = between;
                    break;
                }
                last = between - 1;
                next += pair.advance_both();
                put(next - 1, pair.second());
                bits.consume(pair.bits());
            } else {
                let symbol = self.ac.look(&bits);
                last = next - 1;
                next += symbol.advance() as usize;
                put(next - 1, coefficient(bits.peek() << symbol.code_bits(), symbol.size()));
                bits.consume(symbol.bits());
            }
        }
        *from = bits;
        if next > LAST_END {
            return Err(wrong_code());
        }
        // The last symbol is the end of the block, unless the block is full.
        Ok(if next == 64 { 63 } else { last })
    }

    /// Reads past a block of which only the first coefficient counts.
    #[inline(always)]
    pub fn read_dc(&self, from: &mut Bits<'_>, last_dc: &mut i32) -> Result<i32, DecodeError> {
        let mut bits = *from;
        *last_dc = last_dc.wrapping_add(difference(self.dc, &mut bits)?);
        let mut next = 1;
        while next < 64 {
            bits.refill();
            let pair = self.pairs.look(&bits);
            if pair.is_some() {
                let whole = next + pair.advance() < 64;
                next += if whole { pair.advance_both() } else { pair.advance() };
                bits.consume(if whole { pair.bits() } else { pair.first_bits() });
            } else {
                let symbol = self.ac.look(&bits);
                next += symbol.advance() as usize;
                bits.consume(symbol.bits());
            }
        }
        *from = bits;
        if next > LAST_END {
            return Err(wrong_code());
        }
        Ok(last_dc.wrapping_mul(self.steps[0].size))
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
