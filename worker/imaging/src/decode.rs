//! From the bytes of a file to pixels: the order of the checks, and the guard around foreign decoders.

use std::panic::{AssertUnwindSafe, catch_unwind};

use models::InputSpec;

use crate::{DecodeError, Decoded, Format, Limits, decoded::Raster, geometry::Need};
use crate::{bmp, gif, jpeg, png, tiff, webp};

/// Decodes the image in `bytes`, at a reduced scale where `need` wants far fewer pixels than there are.
///
/// The checks come in this order: size of the file, format by its first bytes, size in pixels by the header; only then
/// is anything allocated. A panic of a decoder is [`DecodeError::Undecodable`].
pub fn decode(bytes: &[u8], limits: &Limits, need: &InputSpec) -> Result<Decoded, DecodeError> {
    decode_for(bytes, limits, &Need::Tensor(need))
}

pub(crate) fn decode_for(bytes: &[u8], limits: &Limits, need: &Need<'_>) -> Result<Decoded, DecodeError> {
    limits.check_bytes(bytes)?;
    let format = Format::of(bytes)?;
    // Nothing that a panic leaves half-done is seen again: all state of a decoder is dropped with it.
    let outcome = catch_unwind(AssertUnwindSafe(|| raster(format, bytes, limits, need)));
    let raster = outcome.unwrap_or_else(|_| Err(DecodeError::Undecodable("its decoder panicked".into())));
    raster.map(|raster| raster.into_decoded(format)).map_err(|error| named(format, error))
}

fn raster(format: Format, bytes: &[u8], limits: &Limits, need: &Need<'_>) -> Result<Raster, DecodeError> {
    match format {
        Format::Jpeg => jpeg::decode(bytes, limits, need),
        Format::Png => png::decode(bytes, limits),
        Format::Webp => webp::decode(bytes, limits),
        Format::Gif => gif::decode(bytes, limits),
        Format::Bmp => bmp::decode(bytes, limits),
        Format::Tiff => tiff::decode(bytes, limits),
    }
}

/// Puts the name of the format before a reason that a decoder gave.
fn named(format: Format, error: DecodeError) -> DecodeError {
    let name = |reason: String| format!("{}: {reason}", format.name());
    match error {
        DecodeError::Unsupported(reason) => DecodeError::Unsupported(name(reason)),
        DecodeError::Undecodable(reason) => DecodeError::Undecodable(name(reason)),
        DecodeError::Truncated(reason) => DecodeError::Truncated(name(reason)),
        sized => sized,
    }
}
