//! Sequential scans: blocks become samples as soon as they are read.

use std::iter;
use std::marker::PhantomData;
use std::ops::Range;

use super::bits::Bits;
use super::coding::{Coded, Coding, Nothing};
use super::frame::{Frame, Tables};
#[cfg(target_arch = "x86_64")]
use super::lanes::Avx2;
use super::lanes::Lanes;
use super::planes::{Plane, Strip};
use super::scale::{Blocks, Inverse, MOST_BLOCKS, Scale};
use super::scan::{Carry, Groups, Member, Scan, ac, dc};
use super::window::Window;
use crate::{DecodeError, geometry, sample::Sample};

/// How the groups of a scan are read.
pub(super) struct Plan<'a> {
    runs: Vec<Run<'a>>,
    /// Columns and rows of groups that are decoded.
    wanted: geometry::Part,
}

/// Blocks of a group that are coded alike and become samples in the same way, so they are read together.
struct Run<'a> {
    coding: Coding<'a>,
    /// Of each block, the number of its part.
    parts: Vec<usize>,
    /// Of each block, the position of its component in the frame, and its first sample's distance to that of the group.
    targets: Vec<(usize, usize)>,
    /// Samples of a plane from one group to the next.
    across: usize,
    /// Blocks of a component in a group, across and down.
    shape: (usize, usize),
}

impl<'a> Plan<'a> {
    /// For a scan of a frame with these tables.
    pub fn new(
        scan: &Scan,
        frame: &Frame,
        tables: &'a Tables,
        (window, quantisation): (&Window, &[Option<[u16; 64]>]),
        strips: &[Strip],
    ) -> Result<Self, DecodeError> {
        let kind = |member: &Member| {
            let (part, component) = (scan.parts[member.part], &frame.components[member.component]);
            (part.dc, part.ac, quantisation[member.component], component.sampling)
        };
        let mut runs = Vec::new();
        for members in scan.group(frame).chunk_by(|one, next| kind(one) == kind(next)) {
            let Member { part, component, shape, .. } = members[0];
            let distance = |across, down| strips[component].distance((across, down));
            runs.push(Run {
                coding: Coding::new(dc(tables, scan.parts[part])?, ac(tables, scan.parts[part])?),
                parts: members.iter().map(|member| member.part).collect(),
                targets: members
                    .iter()
                    .map(|&Member { component, within, .. }| (component, distance(within.0, within.1)))
                    .collect(),
                across: distance(shape.0, 0),
                shape,
            });
        }
        Ok(Self { runs, wanted: scan.wanted(window).clone() })
    }
}

/// Reads the groups of a scan into planes.
pub(super) struct Sequential<'a, S: Sample, L> {
    pub row: Row<'a>,
    pub planes: &'a mut [Plane<S>],
    pub lanes: PhantomData<L>,
}

impl<S: Sample, L: Lanes> Groups for Sequential<'_, S, L> {
    #[inline(always)]
    fn take(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        columns: Range<usize>,
        row: usize,
    ) -> Result<(), DecodeError> {
        let wanted = &self.row.plan.wanted;
        let columns_wanted = if wanted.rows.contains(&row) { wanted.columns.clone() } else { 0..0 };
        let read = self.row.read::<L>(bits, carry, &columns, columns_wanted)?;
        if !read.is_empty() {
            self.settle(read, row);
        }
        Ok(())
    }
}

impl<S: Sample, L> Sequential<'_, S, L> {
    /// Makes samples of the values of the groups in these columns of a row.
    #[inline(always)]
    fn settle(&mut self, columns: Range<usize>, row: usize) {
        let Plan { runs, wanted } = self.row.plan;
        let columns = columns.start - wanted.columns.start..columns.end - wanted.columns.start;
        let row = row - wanted.rows.start;
        for run in runs {
            let (across, down) = run.shape;
            let columns = columns.start * across..columns.end * across;
            for targets in run.targets.chunk_by(|one, next| one.0 == next.0) {
                let component = targets[0].0;
                let (plane, strip) = (&mut self.planes[component], &self.row.strips[component]);
                plane.settle(strip, columns.clone(), row * down..(row + 1) * down);
            }
        }
    }
}

/// Reads a row of groups.
pub(super) struct Row<'a> {
    pub plan: &'a Plan<'a>,
    /// Of each component, what is read of it.
    pub strips: &'a mut [Strip],
    pub scales: &'a mut [Option<Scale>],
}

impl Row<'_> {
    /// Reads the groups in these columns, and writes the values of those that are wanted; says which that were.
    ///
    /// Apart from what is done for every type of samples, so that its loops are compiled once for all of them.
    fn read<L: Lanes>(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        columns: &Range<usize>,
        wanted: Range<usize>,
    ) -> Result<Range<usize>, DecodeError> {
        if L::AVX2 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX2 and BMI2 (see `Avx2`), which is all that the function asks for.
            return unsafe { self.read_avx2(bits, carry, columns, wanted) };
        }
        self.read_with::<L>(bits, carry, columns, wanted)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi2")]
    fn read_avx2(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        columns: &Range<usize>,
        wanted: Range<usize>,
    ) -> Result<Range<usize>, DecodeError> {
        self.read_with::<Avx2>(bits, carry, columns, wanted)
    }

    #[inline(always)]
    fn read_with<L: Lanes>(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        columns: &Range<usize>,
        wanted: Range<usize>,
    ) -> Result<Range<usize>, DecodeError> {
        let (start, end) = (wanted.start.max(columns.start), wanted.end.min(columns.end));
        if start >= end {
            self.pass::<L>(bits, carry, columns.len())?;
            return Ok(0..0);
        }
        self.pass::<L>(bits, carry, start - columns.start)?;
        let mut column = start;
        while column < end && !bits.overran() {
            self.group::<L>(bits, carry, column)?;
            column += 1;
        }
        self.pass::<L>(bits, carry, columns.end - end)?;
        Ok(start..column)
    }

    /// Reads past so many groups.
    #[inline(always)]
    fn pass<L: Lanes>(&self, bits: &mut Bits<'_>, carry: &mut Carry, groups: usize) -> Result<(), DecodeError> {
        let mut blocks = [Coded::default(); MOST_BLOCKS];
        for run in iter::repeat_n(&self.plan.runs, groups).flatten() {
            let blocks = &mut blocks[..run.parts.len()];
            run.coding.read::<L, _>(bits, blocks, &mut Nothing)?;
            let mut before = 0;
            for (&part, block) in run.parts.iter().zip(blocks) {
                // There are four parts at most, which the compiler does not know.
                let first = &mut carry.firsts[part & 3];
                *first = first.wrapping_add(block.sum.wrapping_sub(before));
                before = block.sum;
            }
        }
        Ok(())
    }

    /// Reads a group and writes its values.
    #[inline(always)]
    fn group<L: Lanes>(&mut self, bits: &mut Bits<'_>, carry: &mut Carry, column: usize) -> Result<(), DecodeError> {
        let Plan { runs, wanted } = self.plan;
        for run in runs {
            let start = (column - wanted.columns.start) * run.across;
            let [(component, _), ..] = run.targets[..] else { continue };
            match &mut self.scales[component] {
                Some(Scale::One(blocks)) => read::<L, _>(blocks, run, bits, carry, start, self.strips)?,
                Some(Scale::Two(blocks)) => read::<L, _>(blocks, run, bits, carry, start, self.strips)?,
                Some(Scale::Four(blocks)) => read::<L, _>(blocks, run, bits, carry, start, self.strips)?,
                Some(Scale::Eight(blocks)) => read::<L, _>(blocks, run, bits, carry, start, self.strips)?,
                // Every component of a scan has got its own.
                None => {}
            }
        }
        Ok(())
    }
}

/// Reads blocks of a group and writes their values, from `start` on.
#[inline(always)]
fn read<L: Lanes, I: Inverse>(
    blocks: &mut Blocks<I>,
    run: &Run<'_>,
    bits: &mut Bits<'_>,
    carry: &mut Carry,
    start: usize,
    strips: &mut [Strip],
) -> Result<(), DecodeError> {
    blocks.read::<L>(run.parts.len(), &run.coding, bits)?;
    for (number, (&part, &(component, distance))) in run.parts.iter().zip(&run.targets).enumerate() {
        let (out, stride) = strips[component].values(start + distance);
        blocks.finish::<L>(number, &mut carry.firsts[part & 3], out, stride);
    }
    Ok(())
}
