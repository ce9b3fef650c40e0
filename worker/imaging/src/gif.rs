//! GIF: the first frame on its canvas, as Pillow shows it without alpha.

use ::gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, MemoryLimit};
use std::io::ErrorKind;
use std::num::NonZeroU64;

use crate::{DecodeError, Limits, decoded::Raster, orientation::Orientation};

/// Decodes the first frame. Outside of the frame the canvas has the transparent colour, or colour 0; transparent
/// pixels have the colour that the palette gives them. A colour that the palette lacks is the grey of its index.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Raster, DecodeError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let allocation = NonZeroU64::new(limits.max_allocation() as u64).unwrap_or(NonZeroU64::MIN);
    options.set_memory_limit(MemoryLimit::Bytes(allocation));
    let mut decoder = options.read_info(bytes).map_err(failed)?;
    let canvas = (u32::from(decoder.width()), u32::from(decoder.height()));
    limits.check_size(canvas.0.max(1), canvas.1.max(1))?;
    let Some(frame) = decoder.next_frame_info().map_err(failed)? else {
        return Err(DecodeError::Undecodable("no frame".into()));
    };
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    let background = frame.transparent.unwrap_or(0);
    let (width, height) = (canvas.0.max((left + frame_width) as u32), canvas.1.max((top + frame_height) as u32));
    limits.check_size(width, height)?;
    if frame_width == 0 || frame_height == 0 {
        return Err(DecodeError::Undecodable(format!("a first frame of {frame_width}x{frame_height} pixels")));
    }

    let mut indices = vec![0; decoder.buffer_size()];
    let truncated = match decoder.read_into_buffer(&mut indices).map_err(failed) {
        Ok(()) => false,
        Err(DecodeError::Truncated(reason)) => limits.allow_truncated(reason).map(|()| true)?,
        Err(other) => return Err(other),
    };

    let colors = colors(&decoder);
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    let mut fill = |count: usize| {
        for _ in 0..count {
            pixels.extend_from_slice(&colors[usize::from(background)]);
        }
    };
    if (frame_width, frame_height) != (width as usize, height as usize) {
        fill(width as usize * height as usize);
        for (row, indices) in indices.chunks_exact(frame_width).enumerate() {
            let start = (top + row) * width as usize + left;
            let (out, _) = pixels[start * 3..].as_chunks_mut::<3>();
            for (out, &index) in out.iter_mut().zip(indices) {
                *out = colors[usize::from(index)];
            }
        }
    } else {
        for index in indices {
            pixels.extend_from_slice(&colors[usize::from(index)]);
        }
    }
    Ok(Raster::whole((width, height), pixels, truncated, Orientation::default()))
}

/// The 256 colours of the current frame.
fn colors(decoder: &Decoder<&[u8]>) -> [[u8; 3]; 256] {
    let mut colors: [[u8; 3]; 256] = std::array::from_fn(|index| [index as u8; 3]);
    let (palette, _) = decoder.palette().unwrap_or_default().as_chunks::<3>();
    for (color, entry) in colors.iter_mut().zip(palette) {
        *color = *entry;
    }
    colors
}

fn failed(error: DecodingError) -> DecodeError {
    let cut = || DecodeError::Truncated("the file ends before its first frame does".into());
    match error {
        DecodingError::UnexpectedEof => cut(),
        DecodingError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => cut(),
        // The only message for a frame whose data blocks end before its last pixel.
        DecodingError::Format(error) if error.to_string().contains("truncated") => cut(),
        other => DecodeError::Undecodable(other.to_string()),
    }
}
