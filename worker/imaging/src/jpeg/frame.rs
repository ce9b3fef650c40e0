//! What a JPEG's headers say: its frame, its tables, its colours.

use super::huffman::Huffman;
use super::scale::Size;
use crate::DecodeError;

/// The coefficients of a block from low to high frequency, as positions row by row.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// A frame header: the size of the image and of its components.
#[derive(Debug)]
pub(super) struct Frame {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    pub components: Vec<Component>,
    /// Largest sampling factors, horizontal and vertical.
    pub sampling: (usize, usize),
    /// Groups of blocks across and down.
    pub groups: (usize, usize),
}

/// One component of a frame.
#[derive(Debug)]
pub(super) struct Component {
    pub id: u8,
    /// Sampling factors, horizontal and vertical.
    pub sampling: (usize, usize),
    /// Number of its quantisation table.
    pub table: usize,
    /// Blocks across and down that the image covers.
    pub blocks: (usize, usize),
    /// Blocks across and down, whole groups.
    pub padded: (usize, usize),
}

impl Frame {
    /// Of the body of a start-of-frame segment.
    pub fn parse(body: &[u8], progressive: bool) -> Result<Self, DecodeError> {
        let bad = |what: &str| DecodeError::Undecodable(format!("a frame header with {what}"));
        let [precision, h1, h0, w1, w0, count, specs @ ..] = body else { return Err(bad("too few bytes")) };
        if *precision != 8 {
            return Err(DecodeError::Unsupported(format!("{precision} bits a sample")));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(DecodeError::Unsupported(format!("{count} components")));
        }
        let (specs, _) = specs.as_chunks::<3>();
        let specs = specs.get(..usize::from(*count)).ok_or_else(|| bad("too few components"))?;
        let (width, height) =
            (usize::from(u16::from_be_bytes([*w1, *w0])), usize::from(u16::from_be_bytes([*h1, *h0])));
        let mut components = Vec::with_capacity(specs.len());
        for &[id, sampling, table] in specs {
            let sampling = (usize::from(sampling >> 4), usize::from(sampling & 15));
            if !matches!(sampling, (1..=4, 1..=4)) || table > 3 {
                return Err(bad("sampling factors or a table that cannot be"));
            }
            components.push(Component { id, sampling, table: usize::from(table), blocks: (0, 0), padded: (0, 0) });
        }
        let largest = |of: fn(&Component) -> usize| components.iter().map(of).max().unwrap_or(1);
        let sampling = (largest(|c| c.sampling.0), largest(|c| c.sampling.1));
        let groups = (width.div_ceil(8 * sampling.0), height.div_ceil(8 * sampling.1));
        for component in &mut components {
            let blocks = |length: usize, of: usize, largest: usize| (length * of).div_ceil(largest).div_ceil(8);
            component.blocks =
                (blocks(width, component.sampling.0, sampling.0), blocks(height, component.sampling.1, sampling.1));
            component.padded = (groups.0 * component.sampling.0, groups.1 * component.sampling.1);
        }
        Ok(Self { width, height, progressive, components, sampling, groups })
    }

    /// The size of a component's blocks after an inverse transform that makes the image `1 / reduction` as large:
    /// subsampled components are reduced less, rather than enlarged afterwards.
    pub fn block_size(&self, component: &Component, reduction: usize) -> Size {
        let least = 8 / reduction;
        let mut size = least;
        while size < 8
            && (self.sampling.0 * least).is_multiple_of(component.sampling.0 * size * 2)
            && (self.sampling.1 * least).is_multiple_of(component.sampling.1 * size * 2)
        {
            size *= 2;
        }
        Size::of(size)
    }
}

/// Tables as they stand when a scan begins.
#[derive(Default)]
pub(super) struct Tables {
    /// Quantisation tables, in zigzag order.
    pub quantisation: [Option<[u16; 64]>; 4],
    pub dc: [Option<Huffman>; 4],
    pub ac: [Option<Huffman>; 4],
    /// Groups of blocks between two restart markers; 0 for no markers.
    pub restart: usize,
}

impl Tables {
    /// Of the body of a `DQT` segment.
    pub fn read_quantisation(&mut self, mut body: &[u8]) -> Result<(), DecodeError> {
        let bad = || DecodeError::Undecodable("a broken quantisation table".into());
        while let [kind, rest @ ..] = body {
            let wide = kind >> 4 != 0;
            let length = if wide { 128 } else { 64 };
            let values = rest.get(..length).ok_or_else(bad)?;
            let table = self.quantisation.get_mut(usize::from(kind & 15)).ok_or_else(bad)?;
            *table = Some(std::array::from_fn(|i| match wide {
                true => u16::from_be_bytes([values[2 * i], values[2 * i + 1]]),
                false => u16::from(values[i]),
            }));
            body = &rest[length..];
        }
        Ok(())
    }

    /// Of the body of a `DHT` segment.
    pub fn read_huffman(&mut self, mut body: &[u8]) -> Result<(), DecodeError> {
        let bad = || DecodeError::Undecodable("a broken Huffman table".into());
        while let [kind, rest @ ..] = body {
            let counts: &[u8; 16] = rest.first_chunk().ok_or_else(bad)?;
            let total = counts.iter().map(|&count| usize::from(count)).sum::<usize>();
            let symbols = rest.get(16..16 + total).ok_or_else(bad)?;
            let table = Huffman::new(counts, symbols)?;
            let (kind, number) = (kind >> 4, usize::from(kind & 15));
            let slot = match kind {
                0 if table.is_for_dc() => self.dc.get_mut(number),
                1 => self.ac.get_mut(number),
                _ => None,
            };
            *slot.ok_or_else(bad)? = Some(table);
            body = &rest[16 + total..];
        }
        Ok(())
    }
}
