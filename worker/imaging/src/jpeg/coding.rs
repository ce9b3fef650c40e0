//! How the blocks of a sequential scan are coded, and the loop that reads them.
//!
//! Where a block ends is what no processor can foresee, and a wrong guess takes longer than a whole look. So all blocks that are
//! coded alike and follow each other are read by one loop that does not ask: after every look it does what the end of a block
//! takes, and where none ends, that counts for nothing. It asks for two things only, which are rare: whether the last block is
//! done, and whether a look was not enough.

use std::hint::select_unpredictable;

use super::bits::{Bits, VALID};
use super::huffman::{FAST_BITS, Huffman, coefficient};
use super::lanes::Lanes;
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
#[repr(C, align(32))]
pub(super) struct Coded<T> {
    /// What its coefficients were added up to, and those of all blocks that were read with it before.
    pub sum: T,
    /// The place before its end, where that was found by a look of its own; else the one after the first symbol of the last look.
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
    /// What coefficients are added up to, if that fits into registers: those of a block and of all that were read with it before.
    /// (Between two blocks nothing is cleared: that would cost something after every look.)
    type Sum: Copy + Default;

    /// Adds two coefficients as they were coded: not dequantised, two bytes each, the first one lower. `places` are the places
    /// after them, in zigzag order and [`PLACE`]s; only the seven bits from [`PLACE`] on are theirs. The first coefficient of a block,
    /// which only the first one of the two can be, is its difference to that of the block before. What lies after the last one
    /// must not count.
    fn add<L: Lanes>(&mut self, block: usize, sum: &mut Self::Sum, places: [usize; 2], coefficients: u32);
}

/// Nothing: the blocks are read past.
pub(super) struct Nothing;

impl Sums for Nothing {
    /// Of first coefficients.
    type Sum = i32;

    #[inline(always)]
    fn add<L: Lanes>(&mut self, _: usize, sum: &mut i32, [place, _]: [usize; 2], coefficients: u32) {
        let first = select_unpredictable(place == PLACE, i32::from(coefficients as i16), 0);
        *sum = sum.wrapping_add(first);
    }
}

impl<'a> Coding<'a> {
    /// With these tables.
    pub fn new(dc: &'a Huffman, ac: &'a Huffman) -> Self {
        Self { dc, ac, looks: Looks::new(dc, ac) }
    }

    /// Reads as many blocks as there is room for.
    #[inline(always)]
    pub fn read<L: Lanes, S: Sums>(
        &self,
        all: &mut Bits<'_>,
        blocks: &mut [Coded<S::Sum>],
        sums: &mut S,
    ) -> Result<(), DecodeError> {
        let (mut bits, mut sum) = (*all, S::Sum::default());
        // As if a block had ended before the first one.
        let (mut place, mut number) = (END, usize::MAX);
        // One look, which takes at most `FAST_BITS` of the bits that the last refill made valid. (It is no function, because that would
        // have to give a result, and be asked for it.)
        macro_rules! look {
            () => {
                let end = place & END;
                number = number.wrapping_add(end / END);
                let Some(block) = blocks.get_mut(number) else { break };
                // A whole look was added to the place: its number of bits is below the place's own bits, the rest of it above.
                let start = select_unpredictable(end != 0, 0, place & (END - PLACE));
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
                place = start.wrapping_add(look.packed() as usize);
                sums.add::<L>(number, &mut sum, [between, place], look.coefficients());
                *block = Coded { sum, last: between as u32 };
            };
        }
        const { assert!(5 * FAST_BITS <= VALID) };
        loop {
            bits.refill();
            look!();
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

#[cfg(test)]
mod tests {
    use super::super::bits::Plain;
    use super::*;

    /// The coefficients that are not zero, with the blocks they belong to and the places after them.
    #[derive(Default)]
    struct Listed(Vec<(usize, usize, i32)>);

    impl Sums for Listed {
        /// All coefficients.
        type Sum = i32;

        fn add<L: Lanes>(&mut self, block: usize, sum: &mut i32, places: [usize; 2], coefficients: u32) {
            for (place, value) in places.into_iter().zip([coefficients as i16, (coefficients >> 16) as i16]) {
                let place = place / PLACE % 128;
                if value != 0 && place <= 64 {
                    self.0.push((block, place, value.into()));
                    *sum += i32::from(value);
                }
            }
        }
    }

    type Blocks = Vec<(i32, bool)>;

    /// What is read: of each block the sum after it, and whether it is flat.
    #[inline(always)]
    fn read_with<L: Lanes>(coding: &Coding<'_>, plain: &Plain, count: usize) -> Option<(Blocks, Listed, usize)> {
        let (mut bits, mut blocks, mut listed) = (Bits::new(plain), vec![Coded::default(); count], Listed::default());
        coding.read::<L, _>(&mut bits, &mut blocks, &mut listed).ok()?;
        let mut totals = vec![Coded::default(); count];
        coding.read::<L, _>(&mut Bits::new(plain), &mut totals, &mut Nothing).ok()?;
        for (number, total) in totals.iter().enumerate() {
            let firsts = listed.0.iter().filter(|&&(block, place, _)| block <= number && place == 1);
            assert_eq!(total.sum, firsts.map(|&(.., value)| value).sum::<i32>());
        }
        let blocks = blocks.iter().map(|block| (block.sum, block.is_flat())).collect();
        // How far it got shows in what comes next.
        Some((blocks, listed, bits.take(16) as usize))
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi2")]
    fn read_avx2(coding: &Coding<'_>, plain: &Plain, count: usize) -> Option<(Blocks, Listed, usize)> {
        read_with::<super::super::lanes::Avx2>(coding, plain, count)
    }

    fn read(coding: &Coding<'_>, plain: &Plain, count: usize, portable: bool) -> Option<(Blocks, Listed, usize)> {
        #[cfg(target_arch = "x86_64")]
        if !portable && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has AVX2 and BMI2.
            return unsafe { read_avx2(coding, plain, count) };
        }
        read_with::<[i32; 8]>(coding, plain, count)
    }

    /// The same, symbol by symbol.
    fn read_slowly(coding: &Coding<'_>, plain: &Plain, count: usize) -> Option<(Blocks, Listed, usize)> {
        let (mut bits, mut blocks, mut listed, mut sum) = (Bits::new(plain), Vec::new(), Listed::default(), 0);
        for block in 0..count {
            let (mut place, mut symbols) = (0, 0);
            while place < 64 {
                bits.refill();
                let table = if place == 0 { coding.dc } else { coding.ac };
                let symbol = table.symbol(bits.peek()).checked().ok()?;
                let value = coefficient(bits.peek() << symbol.code_bits(), symbol.size());
                bits.consume(symbol.bits().into());
                if place == 0 {
                    place = 1;
                } else {
                    place += symbol.advance() as usize;
                    symbols += u32::from(symbol.advance() < 64);
                }
                if value != 0 && place <= 64 {
                    listed.0.push((block, place, value));
                    sum += value;
                }
            }
            blocks.push((sum, symbols == 0));
        }
        Some((blocks, listed, bits.take(16) as usize))
    }

    #[test]
    fn several_blocks_at_once_are_what_they_are_one_by_one() {
        let dc = Huffman::new(&[0, 2, 2, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], &[0, 2, 3, 5, 9, 11]).unwrap();
        let counts = [0, 3, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1];
        // Blocks that mostly end soon, and blocks that mostly are full: some to the last coefficient, some beyond it.
        let soon = [0x01, 0x00, 0x02, 0x11, 0x03, 0x41, 0xf0, 0x05, 0xe2, 0x4a, 0x71, 0x0e];
        let full = [0x71, 0x01, 0xe2, 0xf0, 0x33, 0x1a, 0x02, 0xf9, 0x55, 0x4a, 0x00, 0x7e];
        let mut state = 1u64;
        for symbols in [soon, full] {
            let ac = Huffman::new(&counts, &symbols).unwrap();
            let coding = Coding::new(&dc, &ac);
            let (mut whole, mut flat, mut last) = (0, 0, 0);
            for round in 0..3000 {
                let bytes = std::iter::repeat_with(|| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 33) as u8
                });
                let mut plain = Plain::default();
                plain.fill(&bytes.take(600).collect::<Vec<_>>(), 0);
                let count = 1 + round % 10;
                let slowly = read_slowly(&coding, &plain, count);
                for portable in [false, true] {
                    match (read(&coding, &plain, count, portable), &slowly) {
                        (Some(read), Some(slowly)) => {
                            assert_eq!(
                                (&read.0, &read.1.0, read.2),
                                (&slowly.0, &slowly.1.0, slowly.2),
                                "round {round}"
                            );
                            whole += 1;
                            flat += read.0.iter().filter(|block| block.1).count();
                            last += read.1.0.iter().filter(|&&(_, place, _)| place == 64).count();
                        }
                        (None, None) => {}
                        (read, _) => panic!("round {round}: only one of both ends with an error: {}", read.is_some()),
                    }
                }
            }
            assert!(whole > 2000, "{whole} of 6000 without a wrong code");
            assert!(flat.max(last) > 500, "{flat} blocks of one value, {last} with the last coefficient");
        }
    }
}
