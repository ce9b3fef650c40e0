//! Packs weights in the order in which tiles read them.

use std::ops::Range;

use super::{Chunk, Cut, Panel, Panels};
use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::pairs;
use crate::table::Kernels;
use crate::tile::Segment;

/// Floats of a chunk's weights and of what a tile reads with them: three quarters of 48 KiB, so 32 KiB hold the weights at least.
const CHUNK: usize = 9 * 1024;

/// Columns whose weights are packed at a time. They lie in memory by outputs or by columns, and both ways each line is read once.
const AT_ONCE: usize = 64;

/// Floats that a panel reads at `offset` from each pixel; float i is multiplied with column `columns[i]` of the weights.
pub(crate) struct Reads {
    pub offset: usize,
    pub columns: Vec<usize>,
}

/// What panels are packed from.
pub(crate) struct Rows<'a> {
    pub outputs: usize,
    /// One for each output channel of each map.
    pub bias: Option<&'a [f32]>,
    /// Floats from one pixel to the next in the input, one that [`Kernels::knows`], if the output's pixels are blocks, one
    /// after the other. Otherwise runs say where pixels are.
    pub step: Option<usize>,
    /// Blocks of output channels in a panel, if fewer than a tile holds are wanted.
    pub widest: usize,
    /// Whether sums may wait in the output, which costs little where that lies close together.
    pub chunked: bool,
    /// Maps that read the same floats and differ in their weights.
    pub maps: usize,
    /// Pixels of most runs, and how many of these use a panel one after the other.
    pub usual: (usize, usize),
}

impl Rows<'_> {
    /// The output channels of so many blocks.
    fn channels(&self, first_block: usize, blocks: usize) -> Range<usize> {
        first_block * BLOCK..self.outputs.min((first_block + blocks) * BLOCK)
    }
}

impl Panels {
    /// Packs weights: `reads` tells what the given output channels read, `weights` gives for a map and an output channel the factor
    /// of each column (0 where they are not connected).
    pub fn pack<W: Fn(usize) -> f32>(
        isa: Isa,
        rows: &Rows<'_>,
        reads: impl Fn(Range<usize>) -> Vec<Reads>,
        weights: impl Fn(usize, usize) -> W,
    ) -> Self {
        assert!(rows.step.is_none_or(Kernels::knows));
        let kernels = isa.kernels();
        let blocks = rows.outputs.div_ceil(BLOCK);
        let zeros = rows.maps * blocks;
        let mut bias = Buffer::zeroed((zeros + kernels.widest()) * BLOCK);
        if let Some(values) = rows.bias {
            assert_eq!(values.len(), rows.maps * rows.outputs, "biases");
            for (values, bias) in values.chunks_exact(rows.outputs).zip(bias.chunks_exact_mut(blocks * BLOCK)) {
                bias[..rows.outputs].copy_from_slice(values);
            }
        }
        let (mut panels, mut columns, mut len) = (Vec::new(), Vec::new(), 0);
        for (first_block, blocks, width) in widths(kernels, rows, &reads) {
            let reads = reads(rows.channels(first_block, blocks));
            let tiles = kernels.tiles(width, rows.step);
            let most = if rows.chunked { CHUNK / (width + tiles.len()) } else { usize::MAX };
            let (segments, chunks) = cut(&reads, most);
            columns.push(reads.into_iter().flat_map(|read| read.columns).collect::<Vec<_>>());
            let weights = len..len + rows.maps * width * columns[panels.len()].len();
            len = weights.end;
            let usual = Cut::new(rows.usual.0, rows.usual.1, width, tiles);
            panels.push(Panel { first_block, blocks, width, segments, chunks, weights, tiles, usual });
        }
        // In one piece, of the right size from the start: while a model is loaded, this is what takes the most memory.
        let mut packed = Buffer::zeroed(len);
        for (panel, columns) in panels.iter().zip(&columns) {
            let outputs = rows.channels(panel.first_block, panel.blocks);
            let maps = packed[panel.weights.clone()].chunks_exact_mut(panel.width * columns.len());
            for (map, packed) in maps.enumerate() {
                fill(packed, panel.width, columns, outputs.clone(), |output| weights(map, output));
            }
        }
        Self { kernels, panels, weights: packed, bias, blocks, zeros, step: rows.step }
    }
}

/// First block, blocks, and output channels with weights of each panel.
fn widths(
    kernels: &Kernels,
    rows: &Rows<'_>,
    reads: impl Fn(Range<usize>) -> Vec<Reads>,
) -> impl Iterator<Item = (usize, usize, usize)> {
    let blocks = rows.outputs.div_ceil(BLOCK);
    let widest = rows.widest.min(kernels.widest());
    // A last block of at most 8 channels shares a panel with the block before, or has one of half the width.
    let last = (1..=BLOCK / 2).contains(&(rows.outputs % BLOCK)).then(|| {
        let in_pairs = || reads(rows.channels(blocks - 2, 2)).iter().all(|read| read.columns.len().is_multiple_of(2));
        let shares = blocks > 1 && widest > 1 && kernels.has_pairs() && in_pairs();
        if shares { (blocks - 2, 2, pairs::WIDTH) } else { (blocks - 1, 1, BLOCK / 2) }
    });
    let whole = last.map_or(blocks, |(first, ..)| first);
    let panels = (0..whole).step_by(widest).map(move |first| (first, widest.min(whole - first)));
    panels.map(|(first, blocks)| (first, blocks, blocks * BLOCK)).chain(last)
}

/// Packs the weights of a panel.
fn fill<W: Fn(usize) -> f32>(
    packed: &mut [f32],
    width: usize,
    columns: &[usize],
    outputs: Range<usize>,
    weights: impl Fn(usize) -> W,
) {
    for (packed, columns) in packed.chunks_mut(AT_ONCE * width).zip(columns.chunks(AT_ONCE)) {
        for (lane, output) in outputs.clone().enumerate() {
            let weight = weights(output);
            let columns = columns.iter().map(|column| weight(*column));
            if width == pairs::WIDTH {
                columns.enumerate().for_each(|(number, weight)| packed[pairs::place(lane, number)] = weight);
            } else {
                columns.zip(packed.chunks_exact_mut(width)).for_each(|(weight, packed)| packed[lane] = weight);
            }
        }
    }
}

/// The segments of what a panel reads, and chunks of about as many columns each: at most `most`, rounded up to whole blocks.
fn cut(reads: &[Reads], most: usize) -> (Vec<Segment>, Vec<Chunk>) {
    let columns: usize = reads.iter().map(|read| read.columns.len()).sum();
    let each = columns.div_ceil(columns.div_ceil(most).max(1)).next_multiple_of(BLOCK);
    let mut segments = Vec::new();
    let mut chunks = Vec::new();
    let mut chunk = Chunk { segments: 0..0, columns: 0..0 };
    for read in reads {
        let mut from = 0;
        while from < read.columns.len() {
            if chunk.columns.len() == each {
                let end = chunk.columns.end;
                let next = Chunk { segments: segments.len()..segments.len(), columns: end..end };
                chunks.push(std::mem::replace(&mut chunk, next));
            }
            let count = (each - chunk.columns.len()).min(read.columns.len() - from);
            segments.push(Segment { offset: read.offset + from, count });
            from += count;
            chunk.columns.end += count;
            chunk.segments.end = segments.len();
        }
    }
    chunks.push(chunk);
    (segments, chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The segments and chunks of reads of so many columns.
    fn found(counts: &[usize]) -> (Vec<(usize, usize)>, Vec<Chunk>) {
        let reads = counts.iter().enumerate();
        let reads: Vec<_> = reads.map(|(at, count)| Reads { offset: at * 1000, columns: vec![0; *count] }).collect();
        let (segments, chunks) = cut(&reads, 192);
        (segments.iter().map(|segment| (segment.offset, segment.count)).collect(), chunks)
    }

    #[test]
    fn chunks_are_of_about_a_length_and_have_all_columns() {
        let (segments, chunks) = found(&[500]);
        assert_eq!(segments, [(0, 176), (176, 176), (352, 148)]);
        let expected = [(0..1, 0..176), (1..2, 176..352), (2..3, 352..500)];
        assert_eq!(chunks, expected.map(|(segments, columns)| Chunk { segments, columns }));

        let (segments, chunks) = found(&[100, 8, 100]);
        assert_eq!(segments, [(0, 100), (1000, 8), (2000, 4), (2004, 96)]);
        let expected = [(0..3, 0..112), (3..4, 112..208)];
        assert_eq!(chunks, expected.map(|(segments, columns)| Chunk { segments, columns }));

        assert_eq!(found(&[100, 92]), (vec![(0, 100), (1000, 92)], vec![Chunk { segments: 0..2, columns: 0..192 }]));
    }
}
