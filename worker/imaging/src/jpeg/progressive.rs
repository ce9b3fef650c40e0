//! Scans of progressive files, each of which refines the coefficients of whole components.

use std::ops::Range;

use super::bits::Bits;
use super::frame::{Tables, ZIGZAG};
use super::huffman::{Huffman, coefficient};
#[cfg(target_arch = "x86_64")]
use super::lanes::Avx2;
use super::lanes::Lanes;
use super::planes::Strip;
use super::scale::{Known, Scale, Size};
use super::scan::{Part, Scan, ac, dc, difference};
use crate::DecodeError;

/// Coefficients of a component, not dequantised: only those that count at its scale, and apart from each other what most
/// scans touch and what few do. So the many passes over a large file mostly stay in the cache.
pub(super) struct Stored {
    /// Blocks of a row.
    across: usize,
    /// The first coefficient of each block.
    first: Vec<i16>,
    /// For each block a bit for every other coefficient, in zigzag order, that is not zero.
    set: Vec<u64>,
    /// For each block those of the others that count.
    values: Vec<i16>,
    /// Where in a block's values each coefficient is, in zigzag order; [`NOWHERE`] if it does not count.
    slots: [u8; 64],
    count: usize,
}

const NOWHERE: u8 = u8::MAX;

/// A block of [`Stored`].
pub(super) struct Block<'a> {
    first: &'a mut i16,
    set: &'a mut u64,
    values: &'a mut [i16],
    slots: &'a [u8; 64],
}

impl Stored {
    /// What is kept of a block at full scale: 64 coefficients and a bit for each.
    pub const BYTES_OF_A_BLOCK: usize = 64 * size_of::<i16>() + size_of::<u64>();

    /// Zeros.
    pub fn new((across, down): (usize, usize), size: Size) -> Self {
        let mut count = 0;
        let slots = std::array::from_fn(|at| {
            if at == 0 || !size.reads(usize::from(ZIGZAG[at])) {
                return NOWHERE;
            }
            count += 1;
            (count - 1) as u8
        });
        let count = usize::from(count as u8);
        let blocks = across * down;
        Self { across, first: vec![0; blocks], set: vec![0; blocks], values: vec![0; blocks * count], slots, count }
    }

    /// A block to change.
    #[inline(always)]
    pub fn block(&mut self, place: (usize, usize)) -> Block<'_> {
        let number = self.number(place);
        Block {
            first: &mut self.first[number],
            set: &mut self.set[number],
            values: &mut self.values[number * self.count..][..self.count],
            slots: &self.slots,
        }
    }

    /// Whether a block has no other coefficient than the first.
    #[inline(always)]
    fn is_flat(&self, place: (usize, usize)) -> bool {
        self.set[self.number(place)] == 0
    }

    /// The first coefficient of a block.
    #[inline(always)]
    fn first(&self, place: (usize, usize)) -> i32 {
        self.first[self.number(place)].into()
    }

    /// The other coefficients of a block that count and are not zero, with their positions in zigzag order.
    #[inline(always)]
    fn others(&self, place: (usize, usize)) -> impl Iterator<Item = (usize, i32)> {
        let number = self.number(place);
        let values = &self.values[number * self.count..][..self.count];
        let mut rest = self.set[number];
        let positions = std::iter::from_fn(move || {
            let at = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            (at < 64).then_some(at)
        });
        positions.filter_map(|at| Some((at, i32::from(*values.get(usize::from(self.slots[at]))?))))
    }

    /// Writes the values of a row of blocks.
    pub fn write<L: Lanes>(&self, row: usize, columns: Range<usize>, scale: &mut Scale, strip: &mut Strip) {
        if L::AVX2 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX2 and BMI2 (see `Avx2`), which is all that the function asks for.
            return unsafe { self.write_avx2(row, columns, scale, strip) };
        }
        self.write_with::<L>(row, columns, scale, strip);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi2")]
    fn write_avx2(&self, row: usize, columns: Range<usize>, scale: &mut Scale, strip: &mut Strip) {
        self.write_with::<Avx2>(row, columns, scale, strip);
    }

    #[inline(always)]
    fn write_with<L: Lanes>(&self, row: usize, columns: Range<usize>, scale: &mut Scale, strip: &mut Strip) {
        for column in columns.clone() {
            let place = (column, row);
            let known = Known { first: self.first(place), is_flat: self.is_flat(place) };
            let start = strip.distance((column - columns.start, 0));
            scale.write::<L>(known, self.others(place), strip.values(start));
        }
    }

    #[inline(always)]
    fn number(&self, (column, row): (usize, usize)) -> usize {
        row * self.across + column
    }
}

impl Block<'_> {
    /// Sets a coefficient that was zero.
    #[inline(always)]
    fn put(&mut self, at: usize, value: i16) -> Result<(), DecodeError> {
        let past = || DecodeError::Undecodable("a coefficient after the last one of its block".into());
        let slot = *self.slots.get(at).ok_or_else(past)?;
        if let Some(place) = self.values.get_mut(usize::from(slot)) {
            *place = value;
        }
        *self.set |= u64::from(value != 0) << at;
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
        block: &mut Block<'_>,
    ) -> Result<(), DecodeError> {
        let mut bits = *from;
        match *self {
            Self::First { dc, shift } => {
                *last_dc = last_dc.wrapping_add(difference(dc, &mut bits)?);
                *block.first = (*last_dc << shift) as i16;
            }
            Self::RefineFirst { bit } => {
                if bits.take(1) == 1 {
                    *block.first |= bit;
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
    block: &mut Block<'_>,
) -> Result<(), DecodeError> {
    if *end_of_band > 0 {
        *end_of_band -= 1;
        return Ok(());
    }
    let mut next = first;
    while next <= last {
        bits.refill();
        let symbol = ac.symbol(bits.peek()).checked()?;
        let (run, size) = (symbol.value() >> 4, symbol.size());
        if size == 0 && run < 15 {
            bits.consume(symbol.code_bits().into());
            *end_of_band = (1 << run) - 1 + bits.take(u32::from(run));
            return Ok(());
        }
        let value = coefficient(bits.peek() << symbol.code_bits(), size);
        bits.consume(symbol.bits().into());
        next += usize::from(run);
        if size > 0 {
            block.put(next, (value << shift) as i16)?;
        }
        next += 1;
    }
    Ok(())
}

/// A block that gets one more bit.
struct Refine<'a, 'b, 'c> {
    bits: &'a mut Bits<'b>,
    bit: i16,
    block: &'a mut Block<'c>,
}

impl Refine<'_, '_, '_> {
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
    fn skip_zeros(&mut self, next: usize, last: usize, zeros: u32) -> usize {
        if next > last {
            return next;
        }
        let set = *self.block.set;
        let band = (u64::MAX << next) & (u64::MAX >> (63 - last));
        let mut end = last + 1;
        if zeros < 64 {
            let mut empty = !set & band;
            for _ in 0..zeros {
                empty &= empty.wrapping_sub(1);
            }
            end = end.min(empty.trailing_zeros() as usize);
        }
        let mut others = set & band & (u64::MAX >> (64 - end));
        while others != 0 {
            // As many bits at once as a refill gives.
            let count = others.count_ones().min(56);
            self.bits.refill();
            let mut corrections = self.bits.peek();
            self.bits.consume(count.into());
            for _ in 0..count {
                if corrections >> 63 == 1 {
                    self.correct(others.trailing_zeros() as usize);
                }
                corrections <<= 1;
                others &= others - 1;
            }
        }
        end
    }

    /// Gives a coefficient its bit, unless it has it.
    #[inline(always)]
    fn correct(&mut self, at: usize) {
        if let Some(value) = self.block.values.get_mut(usize::from(self.block.slots[at]))
            && *value & self.bit == 0
        {
            *value = value.wrapping_add(if *value > 0 { self.bit } else { -self.bit });
        }
    }
}
