//! WebP: lossy and lossless, with or without alpha; of an animation the first frame.

use std::io::{Cursor, ErrorKind};

use image_webp::{DecodingError, WebPDecoder};

use crate::{DecodeError, Limits, decoded::Raster, metadata, samples};

/// Decodes a WebP. A file whose pixels are cut is always [`DecodeError::Truncated`]: the format has no rows to keep.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Raster, DecodeError> {
    let announced =
        bytes.get(4..8).map_or(0, |size| u64::from(u32::from_le_bytes([size[0], size[1], size[2], size[3]])));
    let truncated = announced + 8 > bytes.len() as u64;
    if truncated {
        limits.allow_truncated(format!("the header says {} bytes, the file has {}", announced + 8, bytes.len()))?;
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(failed)?;
    decoder.set_memory_limit(limits.max_allocation());
    let (width, height) = decoder.dimensions();
    limits.check_size(width, height)?;
    let too_large = || DecodeError::Undecodable("too large for this machine".into());
    let mut pixels = vec![0; decoder.output_buffer_size().ok_or_else(too_large)?];
    decoder.read_image(&mut pixels).map_err(|error| match failed(error) {
        // A cut bit stream looks like a corrupt one.
        DecodeError::Undecodable(reason) if truncated => DecodeError::Truncated(reason),
        other => other,
    })?;
    if decoder.has_alpha() {
        pixels = samples::drop_alpha(pixels);
    }
    // Metadata that cannot be read never costs the pixels.
    let exif = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    let orientation = metadata::orientation(exif.as_deref(), xmp.as_deref());
    Ok(Raster::whole((width, height), pixels, truncated, orientation))
}

fn failed(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            DecodeError::Truncated("the file ends before its pixels do".into())
        }
        DecodingError::NotEnoughInitData => DecodeError::Truncated("the file ends before its pixels do".into()),
        other => DecodeError::Undecodable(other.to_string()),
    }
}
