//! The orientation that a file's EXIF or XMP data asks for.
//!
//! The rule is Pillow's: the EXIF tag counts, and where EXIF has none, `tiff:Orientation` of the XMP packet.

use crate::orientation::Orientation;

/// Tag of the orientation in an image file directory.
const ORIENTATION: u16 = 0x0112;

/// The orientation of EXIF data (with or without its `Exif\0\0` prefix) and an XMP packet.
pub(crate) fn orientation(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    let exif = exif.and_then(|exif| Directory::first(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)));
    let value = exif.and_then(|directory| directory.value(ORIENTATION)).or_else(|| xmp.and_then(xmp_orientation));
    Orientation::from_exif(value.unwrap_or(1))
}

/// The orientation of a JPEG file, from the segments before its first scan.
pub(crate) fn jpeg_orientation(bytes: &[u8]) -> Orientation {
    let (mut exif, mut xmp) = (None, None);
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some(start) = rest.iter().position(|&byte| byte == 0xff) {
        rest = &rest[start..];
        let Some(code) = rest.iter().position(|&byte| byte != 0xff) else { break };
        let marker = rest[code];
        rest = &rest[code + 1..];
        match marker {
            0 | 0x01 | 0xd0..=0xd8 => continue,
            0xd9 | 0xda => break,
            _ => {}
        }
        let Some(length) = rest.get(..2).map(|n| usize::from(u16::from_be_bytes([n[0], n[1]]))) else { break };
        let Some(segment) = rest.get(2..length) else { break };
        if marker == 0xe1 {
            if segment.starts_with(b"Exif\0\0") {
                exif = exif.or(Some(segment));
            } else if let Some(packet) = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                xmp = xmp.or(Some(packet));
            }
        }
        rest = &rest[length..];
    }
    orientation(exif, xmp)
}

/// The orientation of a PNG file, from its `eXIf` chunk or its XMP text.
pub(crate) fn png_orientation(bytes: &[u8]) -> Orientation {
    let (mut exif, mut xmp) = (None, None);
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some(chunk) = body.get(..length) else { break };
        match &header[4..] {
            b"eXIf" => exif = Some(chunk),
            b"iTXt" if chunk.starts_with(b"XML:com.adobe.xmp\0") => xmp = Some(chunk),
            _ => {}
        }
        rest = body.get(length.saturating_add(4)..).unwrap_or_default();
    }
    orientation(exif, xmp)
}

/// The digit after `tiff:Orientation="` or `tiff:Orientation>`.
fn xmp_orientation(packet: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"tiff:Orientation";
    packet.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME).find_map(|(at, _)| {
        let after = &packet[at + NAME.len()..];
        let digit = after.strip_prefix(b"=\"").or_else(|| after.strip_prefix(b">"))?.first()?;
        digit.is_ascii_digit().then(|| u32::from(digit - b'0'))
    })
}

/// The first image file directory of a classic TIFF structure.
pub(crate) struct Directory<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    start: usize,
    entries: usize,
}

impl<'a> Directory<'a> {
    /// Of `bytes` that begin with a TIFF header; `None` where there is none.
    pub fn first(bytes: &'a [u8]) -> Option<Self> {
        let big_endian = match bytes.get(..4)? {
            b"II*\0" => false,
            b"MM\0*" => true,
            _ => return None,
        };
        let mut directory = Self { bytes, big_endian, start: 0, entries: 0 };
        let at = directory.u32(4)? as usize;
        directory.entries = usize::from(directory.u16(at)?);
        directory.start = at + 2;
        Some(directory)
    }

    /// The first value of a BYTE, SHORT or LONG tag of one value.
    pub fn value(&self, tag: u16) -> Option<u32> {
        let (at, kind) = self.entry(tag)?;
        match kind {
            1 => self.bytes.get(at).map(|&byte| u32::from(byte)),
            3 => self.u16(at).map(u32::from),
            4 => self.u32(at),
            _ => None,
        }
    }

    /// Where the value of a SHORT tag lies, as the range of its two bytes.
    pub fn short_at(&self, tag: u16) -> Option<std::ops::Range<usize>> {
        let (at, kind) = self.entry(tag)?;
        (kind == 3 && at + 2 <= self.bytes.len()).then_some(at..at + 2)
    }

    /// Two bytes of a SHORT in the order of this file.
    pub fn short(&self, value: u16) -> [u8; 2] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    /// Position of the value and type of a tag that has one value.
    fn entry(&self, tag: u16) -> Option<(usize, u16)> {
        let at = (0..self.entries).map(|i| self.start + i * 12).find(|&at| self.u16(at) == Some(tag))?;
        (self.u32(at + 4)? == 1).then_some((at + 8, self.u16(at + 2)?))
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(*bytes) } else { u16::from_le_bytes(*bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIF: &[u8] = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

    #[test]
    fn exif_counts_before_xmp() {
        let six = Orientation::from_exif(6);
        assert_eq!(orientation(Some(EXIF), None), six);
        assert_eq!(orientation(Some(&EXIF[6..]), Some(b"tiff:Orientation=\"3\"")), six);
        assert_eq!(orientation(None, Some(b"tiff:Orientation tiff:Orientation>3<")), Orientation::from_exif(3));
        assert_eq!(orientation(None, Some(b"tiff:Orientation=\"")), Orientation::default());
    }

    #[test]
    fn every_cut_of_the_data_is_survived() {
        let mut jpeg = vec![0xff, 0xd8, 0xff, 0xe1, 0, EXIF.len() as u8 + 2];
        jpeg.extend_from_slice(EXIF);
        assert_eq!(jpeg_orientation(&jpeg), Orientation::from_exif(6));
        for end in 0..jpeg.len() {
            assert_eq!(jpeg_orientation(&jpeg[..end]), Orientation::default());
            let _ = orientation(Some(&jpeg[6..end.max(6)]), None);
        }
    }
}
