//! JPEG: baseline, extended and progressive, at full size or reduced to a half, a quarter or an eighth.
//!
//! Written for two things that the decoders at hand do not give together: pixels that equal those of libjpeg (and so of
//! Pillow) to the last bit, on every machine, and a decode at reduced scale that is as fast as the entropy coding
//! allows. It is safe code without dependencies.

mod bits;
mod frame;
mod huffman;
mod idct;
mod planes;
mod progressive;
mod scan;

use self::frame::{Frame, Tables, ZIGZAG};
use self::planes::{Color, Plane};
use self::progressive::{Pass, Stored};
use self::scan::{End, Scan, Sequential};
use crate::{DecodeError, Limits, decoded::Raster, geometry::Need, metadata};

/// Most scans of a file; none that makes sense has more, and each costs a walk over the whole image.
const MOST_SCANS: usize = 200;

/// Decodes a JPEG, at a reduced scale where `need` allows it. What a cut file lacks is grey.
pub(crate) fn decode(bytes: &[u8], limits: &Limits, need: &Need<'_>) -> Result<Raster, DecodeError> {
    let orientation = metadata::jpeg_orientation(bytes);
    let mut file = File { bytes, position: 2, tables: Tables::default(), jfif: false, adobe: None };
    let frame = file.read_frame()?;
    let (width, height) = (frame.width as u32, frame.height as u32);
    limits.check_size(width, height)?;
    let color = file.color(&frame);
    let (shown_width, shown_height) = orientation.size((width, height));
    let reduction = need.reduction(shown_width, shown_height);

    let blocks: usize = frame.components.iter().map(|component| component.blocks.0 * component.blocks.1).sum();
    if bytes.len() * 8 < blocks {
        // Every block takes a bit at least: nothing is allocated for a header alone.
        limits.allow_truncated(format!("{width}x{height} pixels cannot be in {} bytes", bytes.len()))?;
    }
    let mut image = Image::new(&frame, reduction as usize);
    let whole = image.read(&mut file, &frame)?;
    if !whole {
        limits.allow_truncated("the file ends before its last block")?;
    }
    image.finish(&frame);
    let pixels = image.pixels(&frame, color, reduction as usize);
    Ok(Raster { width, height, reduction, pixels, truncated: !whole, orientation })
}

/// A file and what its headers said so far.
struct File<'a> {
    bytes: &'a [u8],
    position: usize,
    tables: Tables,
    jfif: bool,
    /// Colour transform of the Adobe segment.
    adobe: Option<u8>,
}

/// A segment that means something to the decoder.
enum Segment<'a> {
    Frame(Frame),
    Scan(&'a [u8]),
    End,
}

impl<'a> File<'a> {
    /// Reads up to the frame header.
    fn read_frame(&mut self) -> Result<Frame, DecodeError> {
        match self.next()? {
            Some(Segment::Frame(frame)) => Ok(frame),
            Some(Segment::Scan(_)) => Err(DecodeError::Undecodable("a scan before the frame header".into())),
            Some(Segment::End) => Err(DecodeError::Undecodable("no frame header".into())),
            None => Err(DecodeError::Truncated("the file ends in its headers".into())),
        }
    }

    /// Reads tables up to the next other segment; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<Segment<'a>>, DecodeError> {
        loop {
            let rest = self.bytes.get(self.position..).unwrap_or_default();
            let Some(start) = rest.iter().position(|&byte| byte == 0xff) else { return Ok(None) };
            let Some(fill) = rest[start..].iter().position(|&byte| byte != 0xff) else { return Ok(None) };
            let marker = rest[start + fill];
            self.position += start + fill + 1;
            match marker {
                0xd9 => return Ok(Some(Segment::End)),
                0 | 0x01 | 0xd0..=0xd8 => continue,
                _ => {}
            }
            let rest = &self.bytes[self.position..];
            let Some(&[high, low]) = rest.first_chunk() else { return Ok(None) };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length < 2 {
                return Err(DecodeError::Undecodable(format!("segment ff {marker:02x} of {length} bytes")));
            }
            let Some(body) = rest.get(2..length) else { return Ok(None) };
            self.position += length;
            match marker {
                0xc0..=0xc2 => return Ok(Some(Segment::Frame(Frame::parse(body, marker == 0xc2)?))),
                0xc4 => self.tables.read_huffman(body)?,
                0xc3 | 0xc5..=0xc7 | 0xcb | 0xcd..=0xcf => {
                    return Err(DecodeError::Unsupported("lossless or hierarchical coding".into()));
                }
                0xc9 | 0xca => return Err(DecodeError::Unsupported("arithmetic coding".into())),
                0xda => return Ok(Some(Segment::Scan(body))),
                0xdb => self.tables.read_quantisation(body)?,
                0xdd => {
                    let Some(&[high, low]) = body.first_chunk() else {
                        return Err(DecodeError::Undecodable("a restart interval without its value".into()));
                    };
                    self.tables.restart = usize::from(u16::from_be_bytes([high, low]));
                }
                0xe0 if body.starts_with(b"JFIF\0") => self.jfif = true,
                0xee if body.starts_with(b"Adobe") => self.adobe = body.get(11).copied(),
                _ => {}
            }
        }
    }

    /// What the components are, by the rules of libjpeg.
    fn color(&self, frame: &Frame) -> Color {
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        match (ids.as_slice(), self.adobe) {
            ([_], _) => Color::Grey,
            ([_, _, _], _) if self.jfif => Color::Ycc,
            ([_, _, _], Some(0)) => Color::Rgb,
            ([b'R', b'G', b'B'], None) => Color::Rgb,
            ([_, _, _], _) => Color::Ycc,
            (_, None | Some(0)) => Color::Cmyk,
            _ => Color::Ycck,
        }
    }
}

/// The image while it is read.
struct Image {
    planes: Vec<Plane>,
    /// The quantisation table of each component, as it stood at the component's first scan.
    quantisation: Vec<Option<[u16; 64]>>,
    /// Coefficients of each component of a progressive file.
    stored: Vec<Vec<Stored>>,
    /// For each component and coefficient of a progressive file, the bits that are still left out.
    missing: Vec<[u32; 64]>,
}

impl Image {
    fn new(frame: &Frame, reduction: usize) -> Self {
        let components = frame.components.len();
        let stored = |component: &frame::Component| match frame.progressive {
            true => vec![[0; 64]; component.padded.0 * component.padded.1],
            false => Vec::new(),
        };
        Self {
            planes: Plane::all(frame, reduction),
            quantisation: vec![None; components],
            stored: frame.components.iter().map(stored).collect(),
            missing: vec![[u32::MAX; 64]; components],
        }
    }

    /// Reads all scans. `false`: the file ended early.
    fn read(&mut self, file: &mut File<'_>, frame: &Frame) -> Result<bool, DecodeError> {
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
    fn fill(&mut self, file: &File<'_>, frame: &Frame, scan: &Scan) -> Result<End, DecodeError> {
        let mut codings = Vec::with_capacity(scan.parts.len());
        for &part in &scan.parts {
            let quantisation = self.quantisation[part.component].unwrap_or([0; 64]);
            codings.push((part.component, Sequential::new(&file.tables, part, &quantisation)?));
        }
        let planes = &mut self.planes;
        let mut block = [0; 65];
        scan.for_each_block(frame, file.tables.restart, (file.bytes, file.position), |bits, carry, number, (x, y)| {
            let (component, coding) = &codings[number];
            let plane = &mut planes[*component];
            let side = plane.size.side();
            let last_dc = &mut carry.dc[number];
            let any = match plane.size {
                idct::Size::One => {
                    block[0] = coding.read_dc(bits, last_dc)?;
                    false
                }
                _ => coding.read(bits, last_dc, &mut block)?,
            };
            let start = y * side * plane.stride + x * side;
            idct::transform(plane.size, &block, !any, &mut plane.samples[start..], plane.stride);
            Ok(())
        })
    }

    /// Reads a progressive scan into coefficients.
    fn refine(&mut self, file: &File<'_>, frame: &Frame, scan: &Scan) -> Result<End, DecodeError> {
        let mut passes = Vec::with_capacity(scan.parts.len());
        for &part in &scan.parts {
            passes.push((part.component, Pass::new(scan, part, &file.tables)?));
        }
        let stored = &mut self.stored;
        scan.for_each_block(frame, file.tables.restart, (file.bytes, file.position), |bits, carry, number, (x, y)| {
            let (component, pass) = &passes[number];
            let block = &mut stored[*component][y * frame.components[*component].padded.0 + x];
            pass.read(bits, &mut carry.dc[number], &mut carry.end_of_band, block)
        })
    }

    /// Turns the coefficients of a progressive file into samples.
    fn finish(&mut self, frame: &Frame) {
        let components = self.planes.iter_mut().zip(&self.stored).zip(&self.quantisation).zip(&frame.components);
        for (((plane, stored), quantisation), component) in components {
            let Some(quantisation) = quantisation else { continue };
            let mut steps = [0; 64];
            for (&place, &step) in ZIGZAG.iter().zip(quantisation) {
                steps[usize::from(place)] = i32::from(step);
            }
            let side = plane.size.side();
            let mut block = [0; 65];
            for (number, coefficients) in stored.iter().enumerate() {
                for ((value, &coefficient), &step) in block.iter_mut().zip(coefficients).zip(&steps) {
                    *value = i32::from(coefficient) * step;
                }
                let only_dc = coefficients[1..].iter().all(|&coefficient| coefficient == 0);
                let (x, y) = (number % component.padded.0, number / component.padded.0);
                let start = y * side * plane.stride + x * side;
                idct::transform(plane.size, &block, only_dc, &mut plane.samples[start..], plane.stride);
            }
        }
    }

    /// The image in RGB8.
    fn pixels(&self, frame: &Frame, color: Color, reduction: usize) -> Vec<u8> {
        let (width, height) = (frame.width.div_ceil(reduction), frame.height.div_ceil(reduction));
        let mut pixels = vec![0; width * height * 3];
        let mut sums = Vec::new();
        let mut lines = vec![vec![0; width]; self.planes.len()];
        for (y, out) in pixels.chunks_exact_mut(width * 3).enumerate() {
            let rows = self.planes.iter().zip(&mut lines).map(|(plane, line)| plane.row(y, &mut sums, line));
            planes::rgb(color, &rows.collect::<Vec<_>>(), out);
        }
        pixels
    }
}
