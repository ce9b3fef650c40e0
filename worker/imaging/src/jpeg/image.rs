//! The image while its scans are read: from blocks to samples to RGB.

use super::bits::Bits;
use super::file::{File, Segment};
use super::frame::{Component, Frame};
use super::planes::{Color, Plane, rgb};
use super::progressive::{Pass, Stored};
use super::scale::{Scale, Source};
use super::scan::{Blocks, Carry, End, Scan, Sequential};
use super::window::Window;
use crate::{DecodeError, buffers, geometry::Part, sample::Sample};

/// Most scans of a file; none that makes sense has more, and each costs a walk over the whole image.
const MOST_SCANS: usize = 200;

/// The image while it is read.
pub(super) struct Image<'a, S: Sample> {
    window: &'a Window,
    planes: Vec<Plane<S>>,
    /// How the blocks of each component become samples, by the quantisation table as it stood at the component's first scan.
    scales: Vec<Option<Scale>>,
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
        Self {
            window,
            planes: Plane::all(frame, window),
            scales: (0..components).map(|_| None).collect(),
            stored: progressive.iter().map(stored).collect(),
            missing: vec![[u32::MAX; 64]; components],
        }
    }

    /// Reads all scans. `false`: the file ended early.
    #[inline(always)]
    pub fn read(&mut self, file: &mut File<'_>, frame: &Frame) -> Result<bool, DecodeError> {
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
                    *slot = Some(Scale::new::<S>(self.planes[part.component].size, &table.ok_or_else(missing)?));
                }
            }
            let end = if frame.progressive { self.refine(file, frame, &scan)? } else { self.fill(file, frame, &scan)? };
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
    fn fill(&mut self, file: &File<'_>, frame: &Frame, scan: &Scan) -> Result<End, DecodeError> {
        let mut codings = Vec::with_capacity(scan.parts.len());
        for &part in &scan.parts {
            codings.push((part.component, Sequential::new(&file.tables, part)?));
        }
        let mut blocks =
            SequentialBlocks { codings, window: self.window, planes: &mut self.planes, scales: &mut self.scales };
        scan.for_each_block(frame, file.tables.restart, (file.bytes, file.position), &mut blocks)
    }

    /// Reads a progressive scan into coefficients.
    #[inline(always)]
    fn refine(&mut self, file: &File<'_>, frame: &Frame, scan: &Scan) -> Result<End, DecodeError> {
        let mut passes = Vec::with_capacity(scan.parts.len());
        for &part in &scan.parts {
            passes.push((part.component, Pass::new(scan, part, &file.tables)?));
        }
        let mut blocks = ProgressiveBlocks { passes, stored: &mut self.stored };
        scan.for_each_block(frame, file.tables.restart, (file.bytes, file.position), &mut blocks)
    }

    /// Turns the coefficients of a progressive file into samples.
    #[inline(always)]
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        let components = self.planes.iter_mut().zip(&self.stored).zip(&mut self.scales).zip(&self.window.blocks);
        for (((plane, stored), scale), blocks) in components {
            let Some(scale) = scale else { continue };
            for y in blocks.rows.clone() {
                for x in blocks.columns.clone() {
                    plane.set((x, y), scale, stored.whole((x, y)))?;
                }
            }
        }
        Ok(())
    }

    /// What is wanted of the image, in RGB.
    #[inline(always)]
    pub fn pixels(&self, color: Color) -> Vec<S> {
        let Part { columns, rows } = &self.window.part;
        let mut pixels = buffers::take(columns.len() * rows.len() * 3);
        let (mut sums, mut lines) = (Vec::new(), vec![Vec::new(); self.planes.len()]);
        for (y, out) in rows.clone().zip(pixels.chunks_exact_mut(columns.len() * 3)) {
            let mut components = [&[][..]; 4];
            for ((row, plane), line) in components.iter_mut().zip(&self.planes).zip(&mut lines) {
                *row = plane.row(y, columns, &mut sums, line);
            }
            rgb(color, components, out);
        }
        pixels
    }
}

/// Blocks that become samples at once.
struct SequentialBlocks<'a, S: Sample> {
    /// For every part, its component and how it is coded.
    codings: Vec<(usize, Sequential<'a>)>,
    window: &'a Window,
    planes: &'a mut [Plane<S>],
    scales: &'a mut [Option<Scale>],
}

impl<S: Sample> Blocks for SequentialBlocks<'_, S> {
    #[inline(always)]
    fn take(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        number: usize,
        place: (usize, usize),
    ) -> Result<(), DecodeError> {
        let (component, coding) = &self.codings[number];
        let block = coding.block(bits, &mut carry.dc[number]);
        match &mut self.scales[*component] {
            Some(scale) if self.window.has(*component, place) => self.planes[*component].set(place, scale, block),
            _ => block.first().map(drop),
        }
    }
}

/// Blocks whose coefficients are kept until all scans are read.
struct ProgressiveBlocks<'a> {
    /// For every part, its component and what this scan does to it.
    passes: Vec<(usize, Pass<'a>)>,
    stored: &'a mut [Stored],
}

impl Blocks for ProgressiveBlocks<'_> {
    #[inline(always)]
    fn take(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        number: usize,
        place: (usize, usize),
    ) -> Result<(), DecodeError> {
        let (component, pass) = &self.passes[number];
        let mut block = self.stored[*component].block(place);
        pass.read(bits, &mut carry.dc[number], &mut carry.end_of_band, &mut block)
    }
}
