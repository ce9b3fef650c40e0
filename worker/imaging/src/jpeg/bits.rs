//! The bits of entropy-coded data, without the bytes that are stuffed into them.

/// Reads bits from the most significant end. After the data, that is at a marker or at the end of the file, it supplies
/// zeros and remembers that it did.
///
/// Hot loops work on a copy and write it back: no pointer to the copy ever leaves them, so it stays in registers.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    position: usize,
    /// The next bits, at the top. Below the `count` valid ones are either zeros or the true bits after them.
    buffer: u64,
    count: u32,
    /// How many of the bits in the buffer, or consumed already, are zeros after the data.
    supplied: u32,
}

impl<'a> Bits<'a> {
    /// Starts at byte `position` of `data`.
    pub fn new(data: &'a [u8], position: usize) -> Self {
        Self { data, position, buffer: 0, count: 0, supplied: 0 }
    }

    /// Makes at least 32 bits valid.
    #[inline(always)]
    pub fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(bytes) = self.data.get(self.position..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_be_bytes(*bytes);
            // A byte of 0xff in the word, or (rarely, harmlessly) one that follows it.
            let stuffed = (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
            if stuffed == 0 {
                self.buffer |= word >> self.count;
                let bytes = (63 - self.count) / 8;
                self.position += bytes as usize;
                self.count += bytes * 8;
                return;
            }
        }
        *self = self.refilled_slowly();
    }

    #[cold]
    #[inline(never)]
    fn refilled_slowly(mut self) -> Self {
        while self.count < 56 {
            let byte = match self.data.get(self.position) {
                Some(0xff) => {
                    let after = self.data[self.position..].iter().position(|&byte| byte != 0xff);
                    match after.map(|after| (after, self.data[self.position + after])) {
                        Some((after, 0)) => {
                            self.position += after + 1;
                            0xff
                        }
                        _ => {
                            self.supplied += 8;
                            0
                        }
                    }
                }
                Some(&byte) => {
                    self.position += 1;
                    byte
                }
                None => {
                    self.supplied += 8;
                    0
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    /// The next 64 bits, of which those after a refill are valid.
    #[inline(always)]
    pub fn peek(&self) -> u64 {
        self.buffer
    }

    /// Drops up to 32 valid bits.
    #[inline(always)]
    pub fn consume(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count -= bits;
    }

    /// The next `bits` bits, 0 to 16, as a number.
    #[inline(always)]
    pub fn take(&mut self, bits: u32) -> u32 {
        self.refill();
        let value = ((self.buffer >> 1) >> (63 - bits)) as u32;
        self.consume(bits);
        value
    }

    /// Whether bits were consumed that the data does not have.
    #[inline(always)]
    pub fn overran(&self) -> bool {
        self.count < self.supplied
    }

    /// Forgets the bits up to the next byte and the buffered ones, and gives the position of the next marker, or the
    /// end of the data.
    pub fn position_of_marker(&self) -> usize {
        let mut at = self.position;
        while let Some(next) = self.data.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
            at += next;
            match self.data.get(at + 1) {
                Some(0) => at += 2,
                Some(0xff) => at += 1,
                Some(_) => return at,
                None => break,
            }
        }
        self.data.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all bits in the given steps and gives them as text.
    fn read(data: &[u8], step: u32) -> String {
        let mut bits = Bits::new(data, 0);
        let mut text = String::new();
        loop {
            let value = bits.take(step);
            if bits.overran() {
                return text;
            }
            text += &format!("{value:0width$b}", width = step as usize);
        }
    }

    #[test]
    fn stuffing_is_removed_and_markers_end_the_data() {
        let data = [0x12, 0xff, 0x00, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xff, 0x00, 0xab, 0xff, 0xd9, 0x77, 1, 2, 3];
        let plain: String = [0x12, 0xff, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xff, 0xab]
            .map(|byte: u8| format!("{byte:08b}"))
            .concat();
        for step in 1..=16 {
            let read = read(&data, step);
            assert_eq!(read, plain[..plain.len() / step as usize * step as usize], "in steps of {step}");
        }
        let mut bits = Bits::new(&data, 0);
        bits.take(3);
        assert_eq!(bits.position_of_marker(), 17);
    }
}
