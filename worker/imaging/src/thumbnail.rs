//! Small pictures for the report.

use std::panic::catch_unwind;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use models::Filter;

use crate::decode::decode_for;
use crate::geometry::{self, Need, Plan};
use crate::{DecodeError, Limits, resize::Resizer};

/// Quality of thumbnails, 1–100.
const QUALITY: u8 = 80;

/// A JPEG file that shows the image in `bytes`, the right way up, with no side longer than `max_side` pixels (at least
/// 1) and none longer than it was.
///
/// A panic is [`DecodeError::Undecodable`].
pub fn thumbnail(bytes: &[u8], limits: &Limits, max_side: u32) -> Result<Vec<u8>, DecodeError> {
    // Nothing that a panic leaves half-done is seen again.
    let outcome = catch_unwind(|| drawn(bytes, limits, max_side.max(1)));
    outcome.unwrap_or_else(|_| Err(DecodeError::Undecodable("thumbnail: drawing it panicked".into())))
}

fn drawn(bytes: &[u8], limits: &Limits, max_side: u32) -> Result<Vec<u8>, DecodeError> {
    let image = decode_for(bytes, limits, &Need::Thumbnail(max_side))?;
    let size = if image.width.max(image.height) > max_side {
        geometry::fit((image.width, image.height), (max_side, max_side))
    } else {
        (image.width, image.height)
    };
    let plan = Plan { scaled: size, crop: (0, 0), place: (0, 0), size };
    let mut resized = vec![0; size.0 as usize * size.1 as usize * 3];
    Resizer::default().resize(&image, &plan, Filter::Bilinear, &mut resized);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(&resized, size.0, size.1, ExtendedColorType::Rgb8)
        .map_err(|error| DecodeError::Undecodable(format!("thumbnail: {error}")))?;
    Ok(jpeg)
}
