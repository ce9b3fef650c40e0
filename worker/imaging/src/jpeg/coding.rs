//! How the blocks of a sequential scan are coded, and the loop that reads them.
//!
//! Where a block ends is what no processor can foresee, and a wrong guess takes longer than a whole look. So all blocks that are
//! coded alike and follow each other are read by one loop that does not ask: after every look it does what the end of a block
//! takes, and where none ends, that counts for nothing. It asks for two things only, which are rare: whether the last block is
//! done, and whether a look was not enough.

use std::hint::select_unpredictable;

use super::bits::Bits;
use super::huffman::{Huffman, coefficient};
use super::looks::{END, Look, Looks, PLACE};
use crate::DecodeError;

/// How blocks are coded: their Huffman tables, and what is found in both at once.
pub(super) struct Coding<'a> {
    dc: &'a Huffman,
    ac: &'a Huffman,
    looks: Box<Looks>,
}

/// A block that was read.
#[derive(Clone, Copy, Default)]
pub(super) struct Coded<T> {
    /// What its coefficients were added up to.
    pub sum: T,
    /// Its first coefficient's difference to that of the block before.
    pub difference: i32,
    /// The place before the end of the block, if it was found by itself, or else after the first of the last two symbols.
    last: u32,
}

impl<T> Coded<T> {
    /// Whether there is no other coefficient than the first.
    #[inline(always)]
    pub fn is_flat(&self) -> bool {
        self.last == PLACE as u32
    }
}

/// What becomes of the coefficients of blocks while they are read.
pub(super) trait Sums {
    /// What a block's coefficients are added up to, if that fits into registers.
    type Sum: Copy + Default;

    /// Clears the sum if `end` is [`END`], and leaves it as it is if that is zero.
    fn clear(&self, sum: &mut Self::Sum, end: usize);

    /// Adds a coefficient, as it was coded: not dequantised. `place` is the place after it, in zigzag order and
    /// [`PLACE`]s. The first coefficient may count or not: it is only known by its difference. What lies after the last one
    /// must not count.
    fn add(&mut self, block: usize, sum: &mut Self::Sum, place: usize, value: i32);
}

/// Nothing: the blocks are read past.
pub(super) struct Nothing;

impl Sums for Nothing {
    type Sum = ();

    #[inline(always)]
    fn clear(&self, (): &mut (), _: usize) {}

    #[inline(always)]
    fn add(&mut self, _: usize, (): &mut (), _: usize, _: i32) {}
}

impl<'a> Coding<'a> {
    /// With these tables.
    pub fn new(dc: &'a Huffman, ac: &'a Huffman) -> Self {
        Self { dc, ac, looks: Looks::new(dc, ac) }
    }

    /// Reads as many blocks as there is room for.
    pub fn read<S: Sums>(
        &self,
        bits: &mut Bits<'_>,
        blocks: &mut [Coded<S::Sum>],
        sums: &mut S,
    ) -> Result<(), DecodeError> {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has AVX2 and BMI2, which is all that the function asks for.
            return unsafe { self.read_avx2(bits, blocks, sums) };
        }
        self.read_portable(bits, blocks, sums)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi2")]
    fn read_avx2<S: Sums>(
        &self,
        bits: &mut Bits<'_>,
        blocks: &mut [Coded<S::Sum>],
        sums: &mut S,
    ) -> Result<(), DecodeError> {
        self.read_portable(bits, blocks, sums)
    }

    #[inline(always)]
    fn read_portable<S: Sums>(
        &self,
        all: &mut Bits<'_>,
        blocks: &mut [Coded<S::Sum>],
        sums: &mut S,
    ) -> Result<(), DecodeError> {
        let (mut bits, mut sum) = (*all, S::Sum::default());
        // As if a block had ended before the first one.
        let (mut place, mut number, mut difference) = (END, usize::MAX, 0);
        // One look, which takes at most 11 bits. (A function would have to give a result, and be asked for it.)
        macro_rules! look {
            () => {
                let end = place & END;
                number = number.wrapping_add(end / END);
                let Some(block) = blocks.get_mut(number) else { break };
                sums.clear(&mut sum, end);
                let start = select_unpredictable(end != 0, 0, place);
                let mut look = self.looks.at(bits.peek(), end);
                if start + look.first_advance() >= END {
                    bits.refill();
                    look = match look.with_coefficient(end != 0, bits.peek()) {
                        Some(look) => look,
                        None => self.lone(end != 0, bits.peek())?,
                    };
                    bits.consume(look.packed());
                    bits.refill();
                } else {
                    bits.consume(look.packed());
                }
                let between = start + look.first_advance();
                place = start + look.advance();
                sums.add(number, &mut sum, between, look.first());
                sums.add(number, &mut sum, place, look.second());
                difference = select_unpredictable(end != 0, look.first(), difference);
                *block = Coded { sum, difference, last: between as u32 };
            };
        }
        loop {
            bits.refill();
            look!();
            look!();
            look!();
            look!();
        }
        *all = bits;
        Ok(())
    }

    /// One symbol from the top of `bits`: where a look does not find it, or finds one more than belongs to the block.
    #[cold]
    #[inline(never)]
    fn lone(&self, is_first: bool, bits: u64) -> Result<Look, DecodeError> {
        let symbol = if is_first { self.dc } else { self.ac }.symbol(bits).checked()?;
        let value = coefficient(bits << symbol.code_bits(), symbol.size());
        Ok(Look::lone(is_first, symbol.bits(), symbol.advance(), value))
    }
}
