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

use self::bits::Bits;
use self::frame::{Frame, Tables, ZIGZAG};
use self::planes::{Color, Plane};
use self::progressive::{Pass, Stored};
use self::scan::{Blocks, Carry, End, Scan, Sequential};
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
    let (pixels, whole) = read(&mut file, &frame, color, reduction as usize)?;
    if !whole {
        limits.allow_truncated("the file ends before its last block")?;
    }
    Ok(Raster { width, height, reduction, pixels, truncated: !whole, orientation })
}

/// Reads the scans of a file to RGB8. `false`: the file ended early.
///
/// The way from bits to pixels is compiled twice on x86-64, for processors with AVX2 and BMI2 and for others. It is
/// integer arithmetic, so the pixels are the same.
fn read(file: &mut File<'_>, frame: &Frame, color: Color, reduction: usize) -> Result<(Vec<u8>, bool), DecodeError> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi2") {
        // SAFETY: the processor has AVX2 and BMI2, which is all that the function asks for.
        return unsafe { read_avx2(file, frame, color, reduction) };
    }
    read_portable(file, frame, color, reduction)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2")]
fn read_avx2(
    file: &mut File<'_>,
    frame: &Frame,
    color: Color,
    reduction: usize,
) -> Result<(Vec<u8>, bool), DecodeError> {
    read_portable(file, frame, color, reduction)
}

#[inline(always)]
fn read_portable(
    file: &mut File<'_>,
    frame: &Frame,
    color: Color,
    reduction: usize,
) -> Result<(Vec<u8>, bool), DecodeError> {
    let mut image = Image::new(frame, reduction);
    let whole = image.read(file, frame)?;
    image.finish(frame);
    Ok((image.pixels(frame, color, reduction), whole))
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
            true => vec![Stored::ZERO; component.padded.0 * component.padded.1],
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
    #[inline(always)]
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
    #[inline(always)]
    fn fill(&mut self, file: &File<'_>, frame: &Frame, scan: &Scan) -> Result<End, DecodeError> {
        let mut codings = Vec::with_capacity(scan.parts.len());
        for &part in &scan.parts {
            let quantisation = self.quantisation[part.component].unwrap_or([0; 64]);
            codings.push((part.component, Sequential::new(&file.tables, part, &quantisation)?));
        }
        let mut blocks = SequentialBlocks { codings, planes: &mut self.planes, block: [0; 65] };
        scan.for_each_block(frame, file.tables.restart, (file.bytes, file.position), &mut blocks)
    }

    /// Reads a progressive scan into coefficients.
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
    fn finish(&mut self, frame: &Frame) {
        let components = self.planes.iter_mut().zip(&self.stored).zip(&self.quantisation).zip(&frame.components);
        for (((plane, stored), quantisation), component) in components {
            let Some(quantisation) = quantisation else { continue };
            let side = plane.size.side();
            let mut block = [0; 65];
            for (number, stored) in stored.iter().enumerate() {
                for ((&value, &step), &place) in stored.values.iter().zip(quantisation).zip(&ZIGZAG) {
                    block[usize::from(place)] = i32::from(value) * i32::from(step);
                }
                let last = stored.last();
                let (x, y) = (number % component.padded.0, number / component.padded.0);
                let start = y * side * plane.stride + x * side;
                idct::transform(plane.size, &block, last, &mut plane.samples[start..], plane.stride);
            }
        }
    }

    /// The image in RGB8.
    #[inline(always)]
    fn pixels(&self, frame: &Frame, color: Color, reduction: usize) -> Vec<u8> {
        let (width, height) = (frame.width.div_ceil(reduction), frame.height.div_ceil(reduction));
        let mut pixels = vec![0; width * height * 3];
        let mut sums = Vec::new();
        let mut lines = vec![vec![0; width]; self.planes.len()];
        for (y, out) in pixels.chunks_exact_mut(width * 3).enumerate() {
            let mut rows = [&[][..]; 4];
            for ((row, plane), line) in rows.iter_mut().zip(&self.planes).zip(&mut lines) {
                *row = plane.row(y, &mut sums, line);
            }
            planes::rgb(color, rows, out);
        }
        pixels
    }
}

/// Blocks that become samples at once.
struct SequentialBlocks<'a> {
    /// For every part, its component and how it is coded.
    codings: Vec<(usize, Sequential<'a>)>,
    planes: &'a mut [Plane],
    block: idct::Coefficients,
}

impl Blocks for SequentialBlocks<'_> {
    #[inline(always)]
    fn take(
        &mut self,
        bits: &mut Bits<'_>,
        carry: &mut Carry,
        number: usize,
        (x, y): (usize, usize),
    ) -> Result<(), DecodeError> {
        let (component, coding) = &self.codings[number];
        let plane = &mut self.planes[*component];
        let side = plane.size.side();
        let last_dc = &mut carry.dc[number];
        let last = match plane.size {
            idct::Size::One => {
                self.block[0] = coding.read_dc(bits, last_dc)?;
                0
            }
            _ => coding.read(bits, last_dc, &mut self.block)?,
        };
        let start = y * side * plane.stride + x * side;
        idct::transform(plane.size, &self.block, last, &mut plane.samples[start..], plane.stride);
        Ok(())
    }
}

/// Blocks whose coefficients are kept until all scans are read.
struct ProgressiveBlocks<'a> {
    /// For every part, its component and what this scan does to it.
    passes: Vec<(usize, Pass<'a>)>,
    frame: &'a Frame,
    stored: &'a mut [Vec<Stored>],
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
        let block = &mut self.stored[*component][y * self.frame.components[*component].padded.0 + x];
        pass.read(bits, &mut carry.dc[number], &mut carry.end_of_band, block)
    }
}
