//! The format of a file, told by its first bytes and never by its name.

use crate::DecodeError;

/// An image format that is decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG: baseline, extended, progressive; grey, YCbCr, RGB, CMYK, YCCK.
    Jpeg,
    /// PNG: every colour type, depth and interlacing; of an animation the default image.
    Png,
    /// WebP: lossy, lossless, with alpha; of an animation the first frame.
    Webp,
    /// GIF: the first frame.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// TIFF: the first image.
    Tiff,
}

impl Format {
    /// The format of a file that begins with `bytes`; [`DecodeError::Unsupported`] says what was found instead.
    pub fn of(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Ok(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Self::Webp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Self::Gif),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Ok(Self::Tiff),
            [b'B', b'M', ..] if is_bitmap(bytes) => Ok(Self::Bmp),
            _ => Err(DecodeError::Unsupported(describe(bytes))),
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
        }
    }
}

/// Two letters are little proof, so the size of the second header is asked too.
fn is_bitmap(bytes: &[u8]) -> bool {
    let size = bytes.get(14..18).map(|size| u32::from_le_bytes([size[0], size[1], size[2], size[3]]));
    matches!(size, Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124))
}

/// What a file that is no image looks like.
fn describe(bytes: &[u8]) -> String {
    let known: &[(&[u8], &str)] = &[
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b", "a gzip file"),
        (b"8BPS", "a Photoshop document"),
        (b"\x00\x00\x01\x00", "a Windows icon"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
        (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    ];
    if bytes.is_empty() {
        return "not an image: the file is empty".into();
    }
    if let [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] = bytes {
        let what = match brand.get(..4) {
            Some(b"avif" | b"avis") => "AVIF",
            Some(b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1") => "HEIF (HEIC)",
            _ => "an ISO media file",
        };
        return format!("{what} is not supported; use JPEG, PNG, WebP, GIF, BMP or TIFF");
    }
    if let Some((_, what)) = known.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return format!("{what} is not supported; use JPEG, PNG, WebP, GIF, BMP or TIFF");
    }
    let start: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("not an image: starts with {}", start.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        assert_eq!(Format::of(b"\xff\xd8\xff\xe0").unwrap(), Format::Jpeg);
        assert_eq!(Format::of(b"RIFF\0\0\0\0WEBPVP8 ").unwrap(), Format::Webp);
        assert_eq!(Format::of(b"MM\0\x2a").unwrap(), Format::Tiff);
    }

    #[test]
    fn what_is_no_image_is_described() {
        for (bytes, said) in [
            (&b""[..], "empty"),
            (b"<html>", "starts with 3c 68 74 6d"),
            (b"BMW is a car maker", "starts with 42 4d 57 20"),
            (b"x", "starts with 78"),
            (b"%PDF-1.7", "PDF"),
            (b"\0\0\0\x18ftypheic", "HEIF"),
            (b"RIFF\0\0\0\0WAVE", "starts with 52 49 46 46"),
        ] {
            let error = Format::of(bytes).unwrap_err();
            assert_eq!(error.code(), "unsupported");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
