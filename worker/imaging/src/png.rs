//! PNG: every colour type and depth, interlaced or not; of an animation the default image.

use std::io::{Cursor, ErrorKind};

use ::png::{BitDepth, ColorType, Decoder, DecodingError, Limits as PngLimits, Transformations};

use crate::{DecodeError, Limits, decoded::Raster, metadata, samples};

/// Decodes a PNG. Rows that a cut file lacks are black.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Raster, DecodeError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), PngLimits { bytes: limits.max_allocation() });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let info = decoder.read_header_info().map_err(failed)?;
    let (width, height) = (info.width, info.height);
    limits.check_size(width, height)?;
    let mut reader = decoder.read_info().map_err(failed)?;
    let too_large = || DecodeError::Undecodable("too large for this machine".into());
    let mut raw = vec![0; reader.output_buffer_size().ok_or_else(too_large)?];
    let truncated = match reader.next_frame(&mut raw) {
        Ok(_) => false,
        Err(error) => match failed(error) {
            DecodeError::Truncated(reason) => limits.allow_truncated(reason).map(|()| true)?,
            other => return Err(other),
        },
    };
    let (color, depth) = reader.output_color_type();
    if depth != BitDepth::Eight {
        return Err(DecodeError::Unsupported(format!("{depth:?} bits a sample")));
    }
    let pixels = match color {
        ColorType::Rgb => raw,
        ColorType::Rgba => samples::drop_alpha(raw),
        ColorType::Grayscale => {
            let mut pixels = Vec::with_capacity(raw.len() * 3);
            samples::grey(raw, &mut pixels);
            pixels
        }
        ColorType::GrayscaleAlpha => {
            let mut pixels = Vec::with_capacity(raw.len() / 2 * 3);
            samples::grey(raw.into_iter().step_by(2), &mut pixels);
            pixels
        }
        ColorType::Indexed => return Err(DecodeError::Undecodable("a palette image without its palette".into())),
    };
    let orientation = metadata::png_orientation(bytes);
    Ok(Raster::whole((width, height), pixels, truncated, orientation))
}

fn failed(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            DecodeError::Truncated("the file ends before its last row".into())
        }
        other => DecodeError::Undecodable(other.to_string()),
    }
}
