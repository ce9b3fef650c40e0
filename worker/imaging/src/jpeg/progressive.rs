//! Scans of progressive files, each of which refines the coefficients of whole components.

use super::bits::Bits;
use super::frame::{Tables, ZIGZAG};
use super::huffman::{Huffman, coefficient};
use super::scan::{Part, Scan, ac, dc, difference};
use crate::DecodeError;

/// Coefficients of a block, not dequantised, row by row.
pub(super) type Stored = [i16; 64];

/// What a progressive scan does to a block of one part.
pub(super) enum Pass<'a> {
    /// The upper bits of the first coefficient.
    First { dc: &'a Huffman, shift: u32 },
    /// One more bit of the first coefficient.
    RefineFirst { bit: i16 },
    /// The upper bits of a band of the others.
    Band { ac: &'a Huffman, band: (usize, usize), shift: u32 },
    /// One more bit of a band of the others.
    RefineBand { ac: &'a Huffman, band: (usize, usize), bit: i16 },
}

impl<'a> Pass<'a> {
    /// What `scan` does to the blocks of `part`.
    pub fn new(scan: &Scan, part: Part, tables: &'a Tables) -> Result<Self, DecodeError> {
        let (bit, shift, band) = (1 << scan.bits.1, scan.bits.1, scan.band);
        Ok(match (band.0, scan.bits.0) {
            (0, 0) => Self::First { dc: dc(tables, part)?, shift },
            (0, _) => Self::RefineFirst { bit },
            (_, 0) => Self::Band { ac: ac(tables, part)?, band, shift },
            _ => Self::RefineBand { ac: ac(tables, part)?, band, bit },
        })
    }

    /// Reads one block. `last_dc` and `end_of_band` are carried from block to block.
    pub fn read(
        &self,
        bits: &mut Bits<'_>,
        last_dc: &mut i32,
        end_of_band: &mut u32,
        block: &mut Stored,
    ) -> Result<(), DecodeError> {
        match *self {
            Self::First { dc, shift } => {
                *last_dc = last_dc.wrapping_add(difference(dc, bits)?);
                block[0] = (*last_dc << shift) as i16;
                Ok(())
            }
            Self::RefineFirst { bit } => {
                if bits.take(1) == 1 {
                    block[0] |= bit;
                }
                Ok(())
            }
            Self::Band { ac, band, shift } => read_band(ac, band, shift, bits, end_of_band, block),
            Self::RefineBand { ac, band, bit } => {
                let mut refine = Refine { bits, bit, block };
                refine.band(ac, band, end_of_band)
            }
        }
    }
}

fn read_band(
    ac: &Huffman,
    (first, last): (usize, usize),
    shift: u32,
    bits: &mut Bits<'_>,
    end_of_band: &mut u32,
    block: &mut Stored,
) -> Result<(), DecodeError> {
    if *end_of_band > 0 {
        *end_of_band -= 1;
        return Ok(());
    }
    let mut next = first;
    while next <= last {
        let symbol = ac.look(bits).checked()?;
        let (run, size) = (symbol.value() >> 4, symbol.size());
        if size == 0 && run < 15 {
            bits.consume(symbol.code_bits());
            *end_of_band = (1 << run) - 1 + bits.take(u32::from(run));
            return Ok(());
        }
        let value = coefficient(bits.peek() << symbol.code_bits(), size);
        bits.consume(symbol.bits());
        next += usize::from(run);
        if size > 0 {
            let place = ZIGZAG.get(next).ok_or_else(past_the_block)?;
            block[usize::from(*place)] = (value << shift) as i16;
        }
        next += 1;
    }
    Ok(())
}

/// A block that gets one more bit.
struct Refine<'a, 'b> {
    bits: &'a mut Bits<'b>,
    bit: i16,
    block: &'a mut Stored,
}

impl Refine<'_, '_> {
    fn band(&mut self, ac: &Huffman, (first, last): (usize, usize), end_of_band: &mut u32) -> Result<(), DecodeError> {
        let mut next = first;
        if *end_of_band == 0 {
            while next <= last {
                let value = ac.value(self.bits)?;
                let (run, size) = (value >> 4, value & 15);
                let mut new = 0;
                if size == 0 {
                    if run < 15 {
                        *end_of_band = (1 << run) + self.bits.take(u32::from(run));
                        break;
                    }
                } else {
                    new = if self.bits.take(1) == 1 { self.bit } else { -self.bit };
                }
                next = self.skip_zeros(next, last, u32::from(run));
                if new != 0 {
                    let place = ZIGZAG.get(next).ok_or_else(past_the_block)?;
                    self.block[usize::from(*place)] = new;
                }
                next += 1;
            }
        }
        if *end_of_band > 0 {
            self.skip_zeros(next, last, u32::MAX);
            *end_of_band -= 1;
        }
        Ok(())
    }

    /// Passes `zeros` zero coefficients and stops at the one after them, or after `last`; the others on the way get
    /// their bit.
    fn skip_zeros(&mut self, mut next: usize, last: usize, mut zeros: u32) -> usize {
        while next <= last {
            let value = &mut self.block[usize::from(ZIGZAG[next])];
            if *value == 0 {
                if zeros == 0 {
                    break;
                }
                zeros -= 1;
            } else if self.bits.take(1) == 1 && *value & self.bit == 0 {
                *value = value.wrapping_add(if *value > 0 { self.bit } else { -self.bit });
            }
            next += 1;
        }
        next
    }
}

fn past_the_block() -> DecodeError {
    DecodeError::Undecodable("a coefficient after the last one of its block".into())
}
