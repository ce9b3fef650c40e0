//! Huffman tables and the decoding of one symbol.

use super::bits::Bits;
use crate::DecodeError;

/// Codes of up to this many bits are found in one look. With more, a look finds more, but tables of twice the size push all else out of the
/// fastest cache: of 9 to 12 bits, 10 take least time.
pub(super) const FAST_BITS: u32 = 10;

/// Codes of one table, with what a decoder wants to know of their symbols.
pub(super) struct Huffman {
    fast: Box<[Symbol; 1 << FAST_BITS]>,
    /// For each length, one more than its last code, aligned to 16 bits.
    limits: [u32; 17],
    /// For each length, what to add to a code for the position of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

/// A symbol that was found: a run of zero coefficients and the size of the next one; in a register: bits of the code
/// and of the coefficient, bits of the code, coefficients that are done after this one (64 for the end of the block),
/// and the symbol as it stands in the table, a byte each. Zero means "not found in one look".
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Symbol(u32);

impl Symbol {
    /// No code of the table: it ends every block, and more than that.
    const WRONG: Self = Self(0xff << 16);

    fn new(value: u8, code_bits: u8) -> Self {
        let (run, size) = (value >> 4, value & 15);
        let advance = match (run, size) {
            (15, 0) => 16,
            (_, 0) => 64,
            _ => run + 1,
        };
        Self(u32::from_le_bytes([code_bits + size, code_bits, advance, value]))
    }

    /// Bits of the code and of the coefficient after it.
    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0 & 0xff
    }

    /// Bits of the code.
    #[inline(always)]
    pub fn code_bits(self) -> u32 {
        self.0 >> 8 & 0xff
    }

    /// Coefficients that are done after this one: 64 or more at the end of the block.
    #[inline(always)]
    pub fn advance(self) -> u32 {
        self.0 >> 16 & 0xff
    }

    /// The symbol as it stands in the table: the run in the upper, the size in the lower four bits.
    #[inline(always)]
    pub fn value(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// Bits of the coefficient after the code.
    #[inline(always)]
    pub fn size(self) -> u32 {
        self.0 >> 24 & 15
    }

    /// The symbol, unless its code is not in the table.
    #[inline(always)]
    pub fn checked(self) -> Result<Self, DecodeError> {
        if self == Self::WRONG { Err(wrong_code()) } else { Ok(self) }
    }
}

/// A code that is in no table.
#[cold]
pub(super) fn wrong_code() -> DecodeError {
    DecodeError::Undecodable("a code that is not in its Huffman table".into())
}

impl Huffman {
    /// From the numbers of codes of 1 to 16 bits and the symbols in the order of their codes.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, DecodeError> {
        let bad = || DecodeError::Undecodable("a Huffman table with more codes than there can be".into());
        let mut table = Self {
            fast: Box::new([Symbol::default(); 1 << FAST_BITS]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut position) = (0u32, 0usize);
        for bits in 1..=16u32 {
            let count = u32::from(counts[bits as usize - 1]);
            table.offsets[bits as usize] = position as i32 - code as i32;
            if code + count > 1 << bits {
                return Err(bad());
            }
            for _ in 0..count {
                let value = *symbols.get(position).ok_or_else(bad)?;
                if bits <= FAST_BITS {
                    let start = (code << (FAST_BITS - bits)) as usize;
                    let end = start + (1 << (FAST_BITS - bits));
                    table.fast[start..end].fill(Symbol::new(value, bits as u8));
                }
                position += 1;
                code += 1;
            }
            table.limits[bits as usize] = code << (16 - bits);
            code <<= 1;
        }
        Ok(table)
    }

    /// The symbol at the top of `bits`, if its code is a short one.
    pub fn short(&self, bits: u64) -> Option<Symbol> {
        let symbol = self.fast[(bits >> (64 - FAST_BITS)) as usize];
        (symbol != Symbol::default()).then_some(symbol)
    }

    /// The symbol at the top of `bits`, or one that ends every block; 16 bits must be valid.
    #[inline(always)]
    pub fn symbol(&self, bits: u64) -> Symbol {
        let symbol = self.fast[(bits >> (64 - FAST_BITS)) as usize];
        if symbol == Symbol::default() { self.look_slowly(bits) } else { symbol }
    }

    /// Finds a longer code at the top of `bits`.
    #[cold]
    #[inline(never)]
    fn look_slowly(&self, bits: u64) -> Symbol {
        let code = (bits >> 48) as u32;
        for length in 1..=16 {
            if code < self.limits[length] {
                let position = (code >> (16 - length)) as i32 + self.offsets[length];
                if let Some(&value) = usize::try_from(position).ok().and_then(|position| self.symbols.get(position)) {
                    return Symbol::new(value, length as u8);
                }
            }
        }
        Symbol::WRONG
    }

    /// The next symbol's value, consumed.
    #[inline(always)]
    pub fn value(&self, bits: &mut Bits<'_>) -> Result<u8, DecodeError> {
        bits.refill();
        let symbol = self.symbol(bits.peek()).checked()?;
        bits.consume(symbol.code_bits().into());
        Ok(symbol.value())
    }

    /// Whether every symbol is the size of a difference of DC coefficients.
    pub fn is_for_dc(&self) -> bool {
        self.symbols.iter().all(|&symbol| symbol <= 15)
    }
}

/// The signed coefficient that `size` bits at the top of `bits` stand for.
#[inline(always)]
pub(super) fn coefficient(bits: u64, size: u32) -> i32 {
    let value = ((bits >> 1) >> (63 - size)) as i32;
    let negative = !((bits as i64) >> 63) as i32;
    value + (negative & ((-1 << size) + 1))
}

#[cfg(test)]
mod tests {
    use super::super::bits::Plain;
    use super::*;

    #[test]
    fn coefficients_of_every_size() {
        assert_eq!(coefficient(0, 0), 0);
        assert_eq!(coefficient(1 << 63, 0), 0);
        for size in 1..=15u32 {
            for value in 0..1u64 << size {
                let half = 1i32 << (size - 1);
                let expected = if value as i32 >= half { value as i32 } else { value as i32 - 2 * half + 1 };
                assert_eq!(coefficient(value << (64 - size), size), expected);
            }
        }
    }

    #[test]
    fn long_codes_and_wrong_codes() {
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[15]) = (1, 1, 2);
        let table = Huffman::new(&counts, &[0x01, 0xf0, 0x23, 0x00]).unwrap();
        let values = |data: &[u8]| {
            let mut plain = Plain::default();
            plain.fill(data, 0);
            let mut bits = Bits::new(&plain);
            [(); 2].map(|()| table.value(&mut bits).map_err(|error| error.code()))
        };
        assert_eq!(values(&[0b0100_0000]), [Ok(0x01), Ok(0xf0)]);
        assert_eq!(values(&[0b1100_0000, 0, 0b1100_0000, 0b0000_0001]), [Ok(0x23), Ok(0x00)]);
        assert_eq!(values(&[0b0111_1111, 0b1100_0000]), [Ok(0x01), Err("undecodable")]);
    }

    #[test]
    fn too_many_codes_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Huffman::new(&counts, &[1, 2, 3]).is_err());
        counts[0] = 2;
        assert!(Huffman::new(&counts, &[1]).is_err());
    }
}
