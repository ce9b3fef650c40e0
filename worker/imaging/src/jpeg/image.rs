//! The image while its scans are read: from blocks to samples to RGB.

use super::bits::Bits;
use super::file::{File, Segment};
use super::frame::{Component, Frame};
use super::idct::{Coefficients, Size};
use super::planes::{Color, Plane, rgb};
use super::progressive::{Pass, Stored};
use super::scan::{Blocks, Carry, End, Scan, Sequential};
use super::window::Window;
use crate::{DecodeError, buffers, geometry::Part, sample::Sample};

/// Most scans of a file; none that makes sense has more, and each costs a walk over the whole image.
const MOST_SCANS: usize = 200;

/// The image while it is read.
pub(super) struct Image<'a, S: Sample> {
    window: &'a Window,
    planes: Vec<Plane<S>>,
    /// The quantisation table of each component, as it stood at the component's first scan.
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
        let stored = |component: &Component| {
            Stored::new(component.padded.0 * component.padded.1, frame.block_size(component, reduction))
        };
        let progressive: &[Component] = if frame.progressive { &frame.components } else { &[] };
        Self {
            window,
            planes: Plane::all(frame, window),
            quantisation: vec![None; components],
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
                let slot = &mut self.quantisation[part.component];
                if slot.is_none() {
                    let table = file.tables.quantisation[frame.components[part.component].table];
                    let missing = || DecodeError::Undecodable("a scan without its quantisation table".into());
                    *slot = Some(table.ok_or_else(missing)?);
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
            let quantisation = self.quantisation[part.component].unwrap_or([0; 64]);
            codings.push((part.component, Sequential::new(&file.tables, part, &quantisation)?));
        }
        let mut blocks =
            SequentialBlocks { codings, window: self.window, planes: &mut self.planes, block: Coefficients::ZERO };
        scan.for_each_block(frame, file.tables.restart, (file.bytes, file.position), &mut blocks)
    }

    /// Reads a progressive scan into coefficients.
    #[inline(always)]
    fn refine(&mut self, file: &File<'_>, frame: &Frame, scan: &Scan) -> Result<End, DecodeError> {
        let mut passes = Vec::with_capacity(scan.parts.len());
        for &part in &scan.parts {
            passes.push((part.component, Pass::new(scan, part, &file.tables)?));
        }
        let mut blocks = ProgressiveBlocks { passes, frame, stored: &mut self.stored };
        scan.for_each_block(frame, file.tables.restart, (file.bytes, file.position), &mut blocks)
    }

    /// Turns the coefficients of a progressive file into samples.
    #[inline(always)]
    pub fn finish(&mut self, frame: &Frame) {
        let components = self.planes.iter_mut().zip(&self.stored).zip(&self.quantisation).zip(&frame.components);
        for (index, (((plane, stored), quantisation), component)) in components.enumerate() {
            let Some(quantisation) = quantisation else { continue };
            let mut block = Coefficients::ZERO;
            for number in 0..component.padded.0 * component.padded.1 {
                let (x, y) = (number % component.padded.0, number / component.padded.0);
                if !self.window.has(index, (x, y)) {
                    continue;
                }
                let last = stored.dequantised(number, quantisation, &mut block);
                plane.set((x, y), &block, last);
                if last > 0 {
                    block.clear();
                }
            }
        }
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
    block: Coefficients,
}

impl<S: Sample> Blocks for SequentialBlocks<'_, S> {
    #[inline(always)]
    fn take(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        number: usize,
        (x, y): (usize, usize),
    ) -> Result<(), DecodeError> {
        let (component, coding) = &self.codings[number];
        let last_dc = &mut carry.dc[number];
        if !self.window.has(*component, (x, y)) {
            coding.read_dc(bits, last_dc)?;
            return Ok(());
        }
        let plane = &mut self.planes[*component];
        let last = match plane.size {
            Size::One => {
                self.block[0] = coding.read_dc(bits, last_dc)?;
                0
            }
            _ => coding.read(bits, last_dc, &mut self.block)?,
        };
        plane.set((x, y), &self.block, last);
        if last > 0 {
            self.block.clear();
        }
        Ok(())
    }
}

/// Blocks whose coefficients are kept until all scans are read.
struct ProgressiveBlocks<'a> {
    /// For every part, its component and what this scan does to it.
    passes: Vec<(usize, Pass<'a>)>,
    frame: &'a Frame,
    stored: &'a mut [Stored],
}

impl Blocks for ProgressiveBlocks<'_> {
    #[inline(always)]
    fn take(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        number: usize,
        (x, y): (usize, usize),
    ) -> Result<(), DecodeError> {
        let (component, pass) = &self.passes[number];
        let mut block = self.stored[*component].block(y * self.frame.components[*component].padded.0 + x);
        pass.read(bits, &mut carry.dc[number], &mut carry.end_of_band, &mut block)
    }
}
