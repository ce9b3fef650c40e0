//! What one look at the next bits of a sequential scan finds: a symbol or two, with their coefficients.

use super::huffman::{FAST_BITS, Huffman, coefficient};

/// A coefficient adds so much to the place in its block, in zigzag order: places are where a look has them in its register, and
/// bytes of a table's rows.
pub(super) const PLACE: usize = 64;

/// After the last coefficient of a block. Ends of blocks add so much, so all places after a block have this bit, and none in it.
pub(super) const END: usize = 64 * PLACE;

/// Up to two symbols with their coefficients. In a register: bits of all (bits 0 to 5), what both add to the place (6 to 13, in
/// [`PLACE`]s), what the first one adds to it (22 to 29), and the two coefficients (32 to 47, 48 to 63).
///
/// At the start of a block, a lone symbol is the first one of a look. Elsewhere it is the second one, and a coefficient of zero that
/// adds nothing to the place is the first one: so only the start of a block has its coefficient there.
///
/// Where a symbol was found, but not all bits of its coefficient, the look adds [`LONG`](Self::LONG) for its first symbol, and has the
/// size of the coefficient instead of the coefficient. Where nothing was found, it adds as much, and has no bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look(u64);

impl Look {
    /// More places than there are.
    const LONG: u32 = 0xff;

    /// Nothing found.
    const NOTHING: Self = Self((Self::LONG as u64 * PLACE as u64) << 16);

    #[inline(always)]
    fn new(bits: u32, [first, all]: [u32; 2], coefficients: [i32; 2]) -> Self {
        let [low, high] = coefficients.map(|value| u64::from(value as u16));
        let [first, all] = [first, all].map(|places| u64::from(places) * PLACE as u64);
        Self(u64::from(bits) | all | first << 16 | low << 32 | high << 48)
    }

    /// One symbol, of a block's first coefficient or of another one.
    #[inline(always)]
    pub fn lone(is_first: bool, bits: u32, advance: u32, value: i32) -> Self {
        if is_first { Self::new(bits, [1, 1], [value, 0]) } else { Self::new(bits, [0, advance], [0, value]) }
    }

    /// Bits of all.
    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0 as u32 & 63
    }

    /// A number whose lower six bits are [`bits`](Self::bits), and the eight bits after them [`advance`](Self::advance).
    #[inline(always)]
    pub fn packed(self) -> u64 {
        self.0
    }

    /// What the first one adds to the place: [`END`] and more where the look does not tell all.
    #[inline(always)]
    pub fn first_advance(self) -> usize {
        (self.0 >> 16) as usize & (255 * PLACE)
    }

    /// What both add to the place: for the end of a block, [`END`].
    #[inline(always)]
    pub fn advance(self) -> usize {
        self.0 as usize & (255 * PLACE)
    }

    /// Both coefficients, two bytes each, the first one lower.
    #[inline(always)]
    pub fn coefficients(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The lone symbol at the top of `bits`, of which this look found all but the coefficient; `None`, if that is not so.
    #[inline(always)]
    pub fn with_coefficient(self, is_first: bool, bits: u64) -> Option<Self> {
        let size = self.coefficients();
        (self.bits() > 0 && self.first_advance() == Self::LONG as usize * PLACE).then(|| {
            let value = coefficient(bits << (self.bits() - size), size);
            Self::lone(is_first, self.bits(), (self.advance() / PLACE) as u32, value)
        })
    }
}

/// Looks for all that the next bits can be: in the middle of a block, and, from [`END`] on, at the start of one.
pub(super) struct Looks([Look; END + (1 << FAST_BITS)]);

impl Looks {
    /// Of blocks whose first coefficients are coded with `dc`, and the others with `ac`.
    pub fn new(dc: &Huffman, ac: &Huffman) -> Box<Self> {
        let mut looks = Box::new(Self([Look::NOTHING; END + (1 << FAST_BITS)]));
        let (within, starts) = looks.0.split_at_mut(END);
        for (number, (within, start)) in within.iter_mut().zip(starts).enumerate() {
            let bits = (number as u64) << (64 - FAST_BITS);
            *within = look(false, ac, ac, bits);
            *start = look(true, dc, ac, bits);
        }
        looks
    }

    /// What is at the top of `bits`; `end` is [`END`] at the start of a block and zero within.
    #[inline(always)]
    pub fn at(&self, bits: u64, end: usize) -> Look {
        self.0[(bits >> (64 - FAST_BITS)) as usize + end]
    }
}

/// What is at the top of `bits`, of which [`FAST_BITS`] are known: a symbol of one table and one of the other.
fn look(is_first: bool, table: &Huffman, then: &Huffman, bits: u64) -> Look {
    let Some(symbol) = table.short(bits) else { return Look::NOTHING };
    let advance = if is_first { 1 } else { symbol.advance() };
    if symbol.bits() > FAST_BITS {
        return Look::new(symbol.bits(), [Look::LONG, advance], [symbol.size() as i32, 0]);
    }
    let value = coefficient(bits << symbol.code_bits(), symbol.size());
    let rest = bits << symbol.bits();
    match then.short(rest) {
        Some(second) if advance < 64 && symbol.bits() + second.bits() <= FAST_BITS => Look::new(
            symbol.bits() + second.bits(),
            [advance, advance + second.advance()],
            [value, coefficient(rest << second.code_bits(), second.size())],
        ),
        _ => Look::lone(is_first, symbol.bits(), advance, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits at the top of a register.
    fn top(bits: &str) -> u64 {
        let bits = bits.replace(' ', "");
        u64::from_str_radix(&format!("{bits:0<64}"), 2).unwrap()
    }

    /// What a look gives: bits, places after the first and after both, and the coefficients.
    fn found(look: Look) -> (u32, [usize; 2], [i32; 2]) {
        let coefficients = look.coefficients();
        let coefficients = [coefficients as i16, (coefficients >> 16) as i16].map(i32::from);
        (look.bits(), [look.first_advance() / PLACE, look.advance() / PLACE], coefficients)
    }

    #[test]
    fn a_look_finds_what_is_there() {
        // Sizes 0, 3 and 9.
        let dc = Huffman::new(&[1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 3, 9]).unwrap();
        // One coefficient of one bit; the end of the block; 16 zeros; two zeros and three bits; nine bits; and a long code.
        let counts = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let ac = Huffman::new(&counts, &[0x01, 0x00, 0xf0, 0x23, 0x09, 0x02]).unwrap();
        let looks = Looks::new(&dc, &ac);
        let within = |bits| found(looks.at(top(bits), 0));
        let start = |bits| found(looks.at(top(bits), END));

        assert_eq!(within("0 1 0 0"), (4, [1, 2], [1, -1]));
        assert_eq!(within("0 1 10 0 1"), (4, [1, 65], [1, 0]));
        assert_eq!(within("10 0 1"), (2, [0, 64], [0, 0]), "nothing comes after the end");
        assert_eq!(within("110 110"), (6, [16, 32], [0, 0]));
        assert_eq!(within("1110 101 0 1"), (9, [3, 4], [5, 1]));
        assert_eq!(within("1110 101 1110 101"), (7, [0, 3], [0, 5]), "the second one is cut");
        assert_eq!(within("11110 111111111"), (14, [255, 1], [9, 0]), "so is the coefficient");
        assert_eq!(within("111110000000 11"), (0, [255, 0], [0, 0]), "and so is the code");

        assert_eq!(start("0 10"), (3, [1, 65], [0, 0]));
        assert_eq!(start("10 011 0 1"), (7, [1, 2], [-4, 1]));
        assert_eq!(start("10 011 11110 1"), (5, [1, 1], [-4, 0]));
        assert_eq!(start("110 000000000"), (12, [255, 1], [9, 0]));
        assert_eq!(start("111"), (0, [255, 0], [0, 0]));
    }

    #[test]
    fn a_coefficient_is_read_where_only_it_was_not_found() {
        let dc = Huffman::new(&[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 12]).unwrap();
        let ac = Huffman::new(&[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0x2b, 0x01]).unwrap();
        let looks = Looks::new(&dc, &ac);
        let long = |bits, is_first| {
            let bits = top(bits);
            looks.at(bits, if is_first { END } else { 0 }).with_coefficient(is_first, bits).map(found)
        };
        assert_eq!(long("0 10000000011", false), Some((12, [0, 3], [0, 1027])));
        assert_eq!(long("10 100000000111", true), Some((14, [1, 1], [2055, 0])));
        assert_eq!(long("10 011111111111", true), Some((14, [1, 1], [-2048, 0])));
        assert_eq!(long("11", false), None, "no code");
        assert_eq!(long("10", false), None, "found at once");
    }
}
