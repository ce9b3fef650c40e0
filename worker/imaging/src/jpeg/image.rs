//! The image while its scans are read: from blocks to samples.

use std::marker::PhantomData;
use std::ops::Range;

use super::bits::Bits;
use super::file::{File, Segment};
use super::frame::{Component, Frame};
use super::lanes::Lanes;
use super::planes::{Color, Plane, Strip};
use super::progressive::{Pass, Stored};
use super::rows::Rows;
use super::scale::Scale;
use super::scan::{Carry, End, Groups, Member, Scan};
use super::sequential::{Plan, Row, Sequential};
use super::window::Window;
use crate::{DecodeError, sample::Sample};

/// Most scans of a file; none that makes sense has more, and each costs a walk over the whole image.
const MOST_SCANS: usize = 200;

/// The image while it is read.
pub(super) struct Image<'a, S: Sample> {
    window: &'a Window,
    planes: Vec<Plane<S>>,
    /// Of each, the row of groups that is read.
    strips: Vec<Strip>,
    /// How the blocks of each component become samples, by the quantisation table as it stood at the component's first scan.
    scales: Vec<Option<Scale>>,
    /// These tables.
    quantisation: Vec<Option<[u16; 64]>>,
    /// Coefficients of each component of a progressive file.
    stored: Vec<Stored>,
    /// For each component and coefficient of a progressive file, the bits that are still left out.
    missing: Vec<[u32; 64]>,
}

impl<'a, S: Sample> Image<'a, S> {
    pub fn new(frame: &Frame, window: &'a Window) -> Self {
        let reduction = window.reduction;
        let components = frame.components.len();
        let stored = |component: &Component| Stored::new(component.padded, frame.block_size(component, reduction));
        let progressive: &[Component] = if frame.progressive { &frame.components } else { &[] };
        let planes = Plane::all(frame, window);
        Self {
            window,
            strips: planes.iter().zip(&frame.components).map(|(plane, component)| plane.strip(component)).collect(),
            planes,
            scales: (0..components).map(|_| None).collect(),
            quantisation: vec![None; components],
            stored: progressive.iter().map(stored).collect(),
            missing: vec![[u32::MAX; 64]; components],
        }
    }

    /// Reads all scans. `false`: the file ended early.
    #[inline(always)]
    pub fn read<L: Lanes>(&mut self, file: &mut File<'_>, frame: &Frame) -> Result<bool, DecodeError> {
        for _ in 0..MOST_SCANS {
            let header = match file.next()? {
                Some(Segment::Scan(header)) => header,
                Some(Segment::Frame(_)) => return Err(DecodeError::Undecodable("a second frame header".into())),
                Some(Segment::End) => return Ok(self.missing.iter().all(|component| component[0] != u32::MAX)),
                None => return Ok(self.is_complete()),
            };
            let scan = Scan::parse(header, frame)?;
            for part in &scan.parts {
                let slot = &mut self.scales[part.component];
                if slot.is_none() {
                    let table = file.tables.quantisation[frame.components[part.component].table];
                    let missing = || DecodeError::Undecodable("a scan without its quantisation table".into());
                    let table = table.ok_or_else(missing)?;
                    *slot = Some(Scale::new::<S>(self.planes[part.component].size, &table));
                    self.quantisation[part.component] = Some(table);
                }
            }
            let end =
                if frame.progressive { self.refine(file, frame, &scan)? } else { self.fill::<L>(file, frame, &scan)? };
            let End::Whole(position) = end else { return Ok(false) };
            file.position = position;
            for part in &scan.parts {
                self.missing[part.component][scan.band.0..=scan.band.1].fill(scan.bits.1);
            }
            if !frame.progressive && self.is_complete() {
                return Ok(true);
            }
        }
        Err(DecodeError::Undecodable(format!("more than {MOST_SCANS} scans")))
    }

    /// Whether nothing is left to come.
    fn is_complete(&self) -> bool {
        self.missing.iter().flatten().all(|&bits| bits == 0)
    }

    /// Reads a sequential scan into planes.
    #[inline(always)]
    fn fill<L: Lanes>(&mut self, file: &File<'_>, frame: &Frame, scan: &Scan) -> Result<End, DecodeError> {
        let plan = Plan::new(scan, frame, &file.tables, (self.window, &self.quantisation), &self.strips)?;
        let row = Row { plan: &plan, strips: &mut self.strips, scales: &mut self.scales };
        let mut groups = Sequential { row, planes: &mut self.planes, lanes: PhantomData::<L> };
        let rows = scan.wanted(self.window).rows.end;
        scan.for_each_group(frame, file.tables.restart, (file.bytes, file.position), rows, &mut groups)
    }

    /// Reads a progressive scan into coefficients.
    #[inline(always)]
    fn refine(&mut self, file: &File<'_>, frame: &Frame, scan: &Scan) -> Result<End, DecodeError> {
        let passes = scan.parts.iter().map(|&part| Pass::new(scan, part, &file.tables)).collect::<Result<_, _>>()?;
        let mut groups = ProgressiveGroups { group: scan.group(frame), passes, stored: &mut self.stored };
        let rows = scan.wanted(self.window).rows.end;
        scan.for_each_group(frame, file.tables.restart, (file.bytes, file.position), rows, &mut groups)
    }

    /// Turns the coefficients of a progressive file into samples, and what was not read of any file into grey.
    #[inline(always)]
    pub fn finish<L: Lanes>(&mut self) {
        let planes = self.planes.iter_mut().zip(&mut self.strips);
        let components = planes.zip(&self.stored).zip(&mut self.scales).zip(&self.window.blocks);
        for ((((plane, strip), stored), scale), blocks) in components {
            let Some(scale) = scale else { continue };
            for row in blocks.rows.clone() {
                stored.write::<L>(row, blocks.columns.clone(), scale, strip);
                let row = row - blocks.rows.start;
                plane.settle(strip, 0..blocks.columns.len(), row..row + 1);
            }
        }
        self.planes.iter_mut().for_each(Plane::grey);
    }

    /// What is wanted of the image.
    pub fn rows(self, color: Color) -> Rows<S> {
        Rows::new(self.planes, color, self.window.part.clone())
    }
}

/// Blocks whose coefficients are kept until all scans are read.
struct ProgressiveGroups<'a> {
    group: Vec<Member>,
    /// For every part, what this scan does to it.
    passes: Vec<Pass<'a>>,
    stored: &'a mut [Stored],
}

impl Groups for ProgressiveGroups<'_> {
    #[inline(always)]
    fn take(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        columns: Range<usize>,
        row: usize,
    ) -> Result<(), DecodeError> {
        for column in columns {
            for member in &self.group {
                let mut block = self.stored[member.component].block(member.place((column, row)));
                let first = &mut carry.firsts[member.part];
                self.passes[member.part].read(bits, first, &mut carry.end_of_band, &mut block)?;
            }
            if bits.overran() {
                break;
            }
        }
        Ok(())
    }
}
