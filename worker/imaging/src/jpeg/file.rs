//! The segments of a file.

use super::frame::{Frame, Tables};
use super::planes::Color;
use crate::DecodeError;

/// A file and what its headers said so far.
pub(super) struct File<'a> {
    pub bytes: &'a [u8],
    /// Where the next segment is looked for.
    pub position: usize,
    /// Tables as they stand.
    pub tables: Tables,
    jfif: bool,
    /// Colour transform of the Adobe segment.
    adobe: Option<u8>,
}

/// A segment that means something to the decoder.
pub(super) enum Segment<'a> {
    Frame(Frame),
    Scan(&'a [u8]),
    End,
}

impl<'a> File<'a> {
    /// A file from its first marker on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 2, tables: Tables::default(), jfif: false, adobe: None }
    }

    /// Reads up to the frame header.
    pub fn read_frame(&mut self) -> Result<Frame, DecodeError> {
        match self.next()? {
            Some(Segment::Frame(frame)) => Ok(frame),
            Some(Segment::Scan(_)) => Err(DecodeError::Undecodable("a scan before the frame header".into())),
            Some(Segment::End) => Err(DecodeError::Undecodable("no frame header".into())),
            None => Err(DecodeError::Truncated("the file ends in its headers".into())),
        }
    }

    /// Reads tables up to the next other segment; `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<Segment<'a>>, DecodeError> {
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
    pub fn color(&self, frame: &Frame) -> Color {
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
