//! Scans of progressive files, each of which refines the coefficients of whole components.

use super::bits::Bits;
use super::frame::Tables;
use super::huffman::{Huffman, coefficient};
use super::scan::{Part, Scan, ac, dc, difference};
use crate::DecodeError;

/// Coefficients of a block, not dequantised, in zigzag order.
#[derive(Clone)]
pub(super) struct Stored {
    pub values: [i16; 64],
    /// A bit for every coefficient that is not zero, but for the first one: most are zero and need no look.
    set: u64,
}

impl Stored {
    /// A block of zeros.
    pub const ZERO: Self = Self { values: [0; 64], set: 0 };

    /// Position of the last coefficient that is not zero; 0 if there is none but the first one.
    pub fn last(&self) -> usize {
        self.set.checked_ilog2().unwrap_or(0) as usize
    }

    /// Sets a coefficient that was zero.
    #[inline(always)]
    fn put(&mut self, at: usize, value: i16) -> Result<(), DecodeError> {
        let past = || DecodeError::Undecodable("a coefficient after the last one of its block".into());
        *self.values.get_mut(at).ok_or_else(past)? = value;
        self.set |= u64::from(value != 0) << at;
        Ok(())
    }
}

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
    #[inline(always)]
    pub fn read(
        &self,
        from: &mut Bits<'_>,
        last_dc: &mut i32,
        end_of_band: &mut u32,
        block: &mut Stored,
    ) -> Result<(), DecodeError> {
        let mut bits = *from;
        match *self {
            Self::First { dc, shift } => {
                *last_dc = last_dc.wrapping_add(difference(dc, &mut bits)?);
                block.values[0] = (*last_dc << shift) as i16;
            }
            Self::RefineFirst { bit } => {
                if bits.take(1) == 1 {
                    block.values[0] |= bit;
                }
            }
            Self::Band { ac, band, shift } => read_band(ac, band, shift, &mut bits, end_of_band, block)?,
            Self::RefineBand { ac, band, bit } => {
                let mut refine = Refine { bits: &mut bits, bit, block };
                refine.band(ac, band, end_of_band)?;
            }
        }
        *from = bits;
        Ok(())
    }
}

#[inline(always)]
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
            block.put(next, (value << shift) as i16)?;
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
    #[inline(always)]
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
                    self.block.put(next, new)?;
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
    #[inline(always)]
    fn skip_zeros(&mut self, mut next: usize, last: usize, mut zeros: u32) -> usize {
        while next <= last {
            let empty = (self.block.set >> next).trailing_zeros();
            if empty > zeros {
                return (next + zeros as usize).min(last + 1);
            }
            zeros -= empty;
            next += empty as usize;
            if next > last {
                return last + 1;
            }
            let value = &mut self.block.values[next];
            if self.bits.take(1) == 1 && *value & self.bit == 0 {
                *value = value.wrapping_add(if *value > 0 { self.bit } else { -self.bit });
            }
            next += 1;
        }
        next
    }
}
