//! JPEG.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};

use crate::{DecodeError, Limits, decoded::Raster, geometry::Need, metadata};

/// Decodes a JPEG.
pub(crate) fn decode(bytes: &[u8], limits: &Limits, _need: &Need<'_>) -> Result<Raster, DecodeError> {
    let failed = |error: zune_jpeg::errors::DecodeErrors| DecodeError::Undecodable(error.to_string());
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(failed)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (width, height) = (width as u32, height as u32);
    limits.check_size(width, height)?;
    let pixels = decoder.decode().map_err(failed)?;
    let orientation = metadata::jpeg_orientation(bytes);
    Ok(Raster { width, height, reduction: 1, pixels, truncated: false, orientation })
}
