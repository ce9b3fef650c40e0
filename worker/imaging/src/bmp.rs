//! Windows bitmaps.

use std::io::{Cursor, ErrorKind};

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use crate::{DecodeError, Limits, decoded::Raster, orientation::Orientation, samples};

/// Decodes a bitmap. Rows that a cut file lacks are black.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Raster, DecodeError> {
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(failed)?;
    let (width, height) = decoder.dimensions();
    limits.check_size(width, height)?;
    let color = decoder.color_type();
    let mut raw = vec![0; width as usize * height as usize * usize::from(color.bytes_per_pixel())];
    let truncated = match decoder.read_image(&mut raw).map_err(failed) {
        Ok(()) => false,
        Err(DecodeError::Truncated(reason)) => limits.allow_truncated(reason).map(|()| true)?,
        Err(other) => return Err(other),
    };
    let pixels = match color {
        ColorType::Rgb8 => raw,
        ColorType::Rgba8 => samples::drop_alpha(raw),
        ColorType::L8 => {
            let mut pixels = Vec::with_capacity(raw.len() * 3);
            samples::grey(raw, &mut pixels);
            pixels
        }
        other => return Err(DecodeError::Unsupported(format!("pixels of type {other:?}"))),
    };
    Ok(Raster::whole((width, height), pixels, truncated, Orientation::default()))
}

fn failed(error: ImageError) -> DecodeError {
    match error {
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            DecodeError::Truncated("the file ends before its last row".into())
        }
        ImageError::Unsupported(error) => DecodeError::Unsupported(error.to_string()),
        other => DecodeError::Undecodable(other.to_string()),
    }
}
