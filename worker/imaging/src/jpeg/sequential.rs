//! Sequential scans: blocks become samples as soon as they are read.

use std::iter;
use std::ops::Range;

use super::bits::Bits;
use super::coding::{Coded, Coding, Nothing};
use super::frame::{Frame, Tables};
use super::planes::Plane;
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
    pub fn new<S: Sample>(
        scan: &Scan,
        frame: &Frame,
        tables: &'a Tables,
        (window, quantisation): (&Window, &[Option<[u16; 64]>]),
        planes: &[Plane<S>],
    ) -> Result<Self, DecodeError> {
        let kind = |member: &Member| {
            let (part, component) = (scan.parts[member.part], &frame.components[member.component]);
            (part.dc, part.ac, quantisation[member.component], component.sampling)
        };
        let mut runs = Vec::new();
        for members in scan.group(frame).chunk_by(|one, next| kind(one) == kind(next)) {
            let Member { part, component, shape, .. } = members[0];
            let distance = |across, down| planes[component].distance((across, down));
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
pub(super) struct Sequential<'a, S: Sample> {
    pub plan: &'a Plan<'a>,
    pub planes: &'a mut [Plane<S>],
    pub scales: &'a mut [Option<Scale>],
}

impl<S: Sample> Groups for Sequential<'_, S> {
    #[inline(always)]
    fn take(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        columns: Range<usize>,
        row: usize,
    ) -> Result<(), DecodeError> {
        let Plan { wanted, .. } = self.plan;
        let columns_wanted = if wanted.rows.contains(&row) { wanted.columns.clone() } else { 0..0 };
        let (start, end) = (columns_wanted.start.max(columns.start), columns_wanted.end.min(columns.end));
        if start >= end {
            return self.pass(bits, carry, columns.len());
        }
        self.pass(bits, carry, start - columns.start)?;
        let mut column = start;
        while column < end && !bits.overran() {
            self.group(bits, carry, column)?;
            column += 1;
        }
        self.settle(start..column, row);
        self.pass(bits, carry, columns.end - end)
    }
}

impl<S: Sample> Sequential<'_, S> {
    /// Reads past so many groups.
    fn pass(&self, bits: &mut Bits<'_>, carry: &mut Carry, groups: usize) -> Result<(), DecodeError> {
        let mut blocks = [Coded::default(); MOST_BLOCKS];
        for run in iter::repeat_n(&self.plan.runs, groups).flatten() {
            let blocks = &mut blocks[..run.parts.len()];
            run.coding.read(bits, blocks, &mut Nothing)?;
            for (&part, block) in run.parts.iter().zip(blocks) {
                // There are four parts at most, which the compiler does not know.
                let first = &mut carry.firsts[part & 3];
                *first = first.wrapping_add(block.difference);
            }
        }
        Ok(())
    }

    /// Makes samples of the values of the groups in these columns of a row.
    #[inline(always)]
    fn settle(&mut self, columns: Range<usize>, row: usize) {
        let Plan { runs, wanted } = self.plan;
        let columns = columns.start - wanted.columns.start..columns.end - wanted.columns.start;
        let row = row - wanted.rows.start;
        for run in runs {
            let (across, down) = run.shape;
            let columns = columns.start * across..columns.end * across;
            for targets in run.targets.chunk_by(|one, next| one.0 == next.0) {
                let component = targets[0].0;
                self.planes[component].settle(columns.clone(), row * down..(row + 1) * down);
            }
        }
    }

    /// Reads a group and writes its values.
    #[inline(always)]
    fn group(&mut self, bits: &mut Bits<'_>, carry: &mut Carry, column: usize) -> Result<(), DecodeError> {
        let Plan { runs, wanted } = self.plan;
        for run in runs {
            let start = (column - wanted.columns.start) * run.across;
            let [(component, _), ..] = run.targets[..] else { continue };
            match &mut self.scales[component] {
                Some(Scale::One(blocks)) => read(blocks, run, bits, carry, start, self.planes)?,
                Some(Scale::Two(blocks)) => read(blocks, run, bits, carry, start, self.planes)?,
                Some(Scale::Four(blocks)) => read(blocks, run, bits, carry, start, self.planes)?,
                Some(Scale::Eight(blocks)) => read(blocks, run, bits, carry, start, self.planes)?,
                // Every component of a scan has got its own.
                None => {}
            }
        }
        Ok(())
    }
}

/// Reads blocks of a group and writes their values, from `start` on.
#[inline(always)]
fn read<I: Inverse, S: Sample>(
    blocks: &mut Blocks<I>,
    run: &Run<'_>,
    bits: &mut Bits<'_>,
    carry: &mut Carry,
    start: usize,
    planes: &mut [Plane<S>],
) -> Result<(), DecodeError> {
    blocks.read(run.parts.len(), &run.coding, bits)?;
    for (number, (&part, &(component, distance))) in run.parts.iter().zip(&run.targets).enumerate() {
        let (out, stride) = planes[component].values(start + distance);
        blocks.finish(number, &mut carry.firsts[part & 3], out, stride);
    }
    Ok(())
}
