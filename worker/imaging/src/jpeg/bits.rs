//! The bits of entropy-coded data, without the bytes that are stuffed into them.

use crate::buffers::Buffer;

/// Zeros after the data: eight bytes can be loaded wherever a bit is, and where that is no longer so, more bits were
/// consumed than the data has.
const PADDING: usize = 16;

/// Bits that are valid after a refill, at least: seven whole bytes, to which up to seven bits come that were valid before.
pub(super) const VALID: u32 = 56;

/// The data between two markers, without stuffed bytes: taking those out once costs less than looking for them with
/// every load.
#[derive(Default)]
pub(super) struct Plain {
    /// Room for all data of the scan and [`PADDING`].
    memory: Buffer<u8>,
    /// How much of it is in use.
    length: usize,
}

impl Plain {
    /// Takes the data from `position` on, and gives the position of the marker that ends it, or the end of `data`.
    #[inline(always)]
    pub fn fill(&mut self, data: &[u8], mut position: usize) -> usize {
        let most = data.len().saturating_sub(position) + PADDING;
        if self.memory.len() < most {
            self.memory = Buffer::new(most);
        }
        self.length = 0;
        let marker = loop {
            let rest = data.get(position..).unwrap_or_default();
            let length = length_before_ff(rest);
            self.put(&rest[..length]);
            let rest = &rest[length..];
            position += length;
            match rest.iter().position(|&byte| byte != 0xff) {
                Some(fill) if rest[fill] == 0 => {
                    self.put(&[0xff]);
                    position += fill + 1;
                }
                Some(fill) => break position + fill - 1,
                None => break data.len(),
            }
        };
        self.put(&[0; PADDING]);
        marker
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[..self.length]
    }

    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        self.memory[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}

/// How many bytes come before the first 0xff.
#[inline(always)]
fn length_before_ff(data: &[u8]) -> usize {
    let (chunks, _) = data.as_chunks::<32>();
    // Without a way out of the inner loop, so that it becomes a few vector instructions.
    let plain = |chunk: &&[u8; 32]| chunk.iter().fold(true, |plain, &byte| plain & (byte != 0xff));
    let start = 32 * chunks.iter().take_while(plain).count();
    start + data[start..].iter().position(|&byte| byte == 0xff).unwrap_or(data.len() - start)
}

/// Reads bits from the most significant end. After the data it supplies zeros.
///
/// Hot loops work on a copy and write it back: no pointer to the copy ever leaves them, so it stays in registers.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    /// What was not loaded yet of the data and the zeros after it.
    rest: &'a [u8],
    /// The next bits, at the top. Below the valid ones are either zeros or the true bits after them.
    buffer: u64,
    /// How many of them are valid: the lower six bits of it. The others are anything.
    count: u32,
}

impl<'a> Bits<'a> {
    /// From the first bit on.
    pub fn new(plain: &'a Plain) -> Self {
        Self { rest: plain.bytes(), buffer: 0, count: 0 }
    }

    /// Makes at least [`VALID`] bits valid. There is no branch that data decides: it would be guessed wrong too often.
    #[inline(always)]
    pub fn refill(&mut self) {
        if let Some(bytes) = self.rest.first_chunk() {
            self.buffer |= u64::from_be_bytes(*bytes) >> (self.count & 63);
            self.rest = &self.rest[(!self.count >> 3 & 7) as usize..];
        }
        self.count |= VALID;
    }

    /// The next 64 bits, of which those after a refill are valid.
    #[inline(always)]
    pub fn peek(&self) -> u64 {
        self.buffer
    }

    /// Drops valid bits, up to [`VALID`]: as many as the lower six bits of a number say.
    #[inline(always)]
    pub fn consume(&mut self, bits: u64) {
        self.buffer <<= bits & 63;
        self.count = self.count.wrapping_sub(bits as u32);
    }

    /// The next `bits` bits, 0 to 16, as a number.
    #[inline(always)]
    pub fn take(&mut self, bits: u32) -> u32 {
        self.refill();
        let value = ((self.buffer >> 1) >> (63 - bits)) as u32;
        self.consume(bits.into());
        value
    }

    /// Whether bits were consumed that the data does not have.
    #[inline(always)]
    pub fn overran(&self) -> bool {
        self.rest.len() * 8 + ((self.count & 63) as usize) < PADDING * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all bits in the given steps and gives them as text.
    fn read(data: &[u8], step: u32) -> String {
        let mut plain = Plain::default();
        plain.fill(data, 0);
        let mut bits = Bits::new(&plain);
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
    }

    #[test]
    fn the_next_marker_is_found_wherever_it_is() {
        for length in 0..80 {
            let mut plain = Plain::default();
            let data = [vec![7; length], vec![0xff, 0xff, 0xff, 0xd0, 7]].concat();
            assert_eq!(plain.fill(&data, 0), length + 2);
            assert_eq!(plain.bytes(), [vec![7; length], vec![0; PADDING]].concat());
            assert_eq!(plain.fill(&data, length + 4), data.len());
            assert_eq!(plain.bytes().len(), 1 + PADDING);
            // Bytes that only fill up, and then nothing.
            assert_eq!(plain.fill(&data[..length + 2], 0), length + 2);
            assert_eq!(plain.bytes().len(), length + PADDING);
            // Fill bytes before a stuffed one count as one.
            let data = [vec![7; length], vec![0xff, 0xff, 0, 7]].concat();
            assert_eq!(plain.fill(&data, 0), data.len());
            assert_eq!(plain.bytes().len(), length + 2 + PADDING);
        }
        assert_eq!(Plain::default().fill(&[1], 3), 1);
    }
}
