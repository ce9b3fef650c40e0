//! TIFF: the first image; grey, palette, RGB and CMYK of up to 16 bits, in strips or tiles, chunky or planar.

use std::borrow::Cow;
use std::io::{Cursor, ErrorKind};

use ::tiff::decoder::{Decoder, DecodingResult, Limits as TiffLimits};
use ::tiff::tags::Tag;
use ::tiff::{ColorType, TiffError};

use crate::{DecodeError, Limits, decoded::Raster, metadata, metadata::Directory, orientation::Orientation, samples};

/// The XMP packet of a TIFF file.
const XMP: Tag = Tag::Unknown(700);

/// Value of `ExtraSamples` that means colours are multiplied by alpha.
const ASSOCIATED_ALPHA: u16 = 1;

/// Decodes the first image. Strips or tiles that a cut file lacks are black.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Raster, DecodeError> {
    let (bytes, is_palette) = without_palette(bytes);
    let mut allowed = TiffLimits::default();
    allowed.decoding_buffer_size = limits.max_allocation();
    allowed.intermediate_buffer_size = limits.max_allocation();
    let mut decoder = Decoder::new(Cursor::new(&*bytes)).map_err(failed)?.with_limits(allowed);
    let (width, height) = decoder.dimensions().map_err(failed)?;
    limits.check_size(width, height)?;
    let layout = Layout::of(&mut decoder, is_palette)?;

    let mut pixels = vec![0; width as usize * height as usize * 3];
    let truncated = match read(&mut decoder, &layout, (width, height), &mut pixels) {
        Ok(()) => false,
        Err(DecodeError::Truncated(reason)) => limits.allow_truncated(reason).map(|()| true)?,
        Err(other) => return Err(other),
    };
    let orientation = orientation(&mut decoder);
    Ok(Raster::whole((width, height), pixels, truncated, orientation))
}

/// How the samples of an image become RGB8.
struct Layout {
    color: Color,
    bits: u8,
    /// Samples of a pixel that the decoder hands out.
    samples: usize,
    /// Whether every sample has chunks of its own.
    planar: bool,
    premultiplied: bool,
}

enum Color {
    Grey,
    Palette(Vec<[u8; 3]>),
    Rgb,
    Cmyk,
}

impl Layout {
    fn of(decoder: &mut Decoder<Cursor<&[u8]>>, is_palette: bool) -> Result<Self, DecodeError> {
        let kind = decoder.colortype().map_err(failed)?;
        let bits = kind.bit_depth();
        let (color, samples) = match kind {
            ColorType::Gray(1..=8) if is_palette => (Color::Palette(palette(decoder, bits)?), 1),
            ColorType::Gray(1 | 2 | 4 | 8 | 16) => (Color::Grey, 1),
            ColorType::GrayA(8 | 16) => (Color::Grey, 2),
            ColorType::Multiband { bit_depth: 8 | 16, num_samples: 2 } => (Color::Grey, 2),
            ColorType::RGB(8 | 16) => (Color::Rgb, 3),
            // Only JPEG-compressed strips are YCbCr in practice, and their decoder converts them.
            ColorType::YCbCr(8) if decoder.find_tag_unsigned::<u16>(Tag::Compression).ok().flatten() == Some(7) => {
                (Color::Rgb, 3)
            }
            ColorType::RGBA(8 | 16) => (Color::Rgb, 4),
            ColorType::CMYK(8 | 16) => (Color::Cmyk, 4),
            other => return Err(DecodeError::Unsupported(format!("pixels of type {other:?}"))),
        };
        let tag = |decoder: &mut Decoder<_>, tag| decoder.find_tag_unsigned_vec::<u16>(tag).ok().flatten();
        let planar = tag(decoder, Tag::PlanarConfiguration).is_some_and(|value| value.first() == Some(&2));
        let premultiplied = samples == 4
            && matches!(color, Color::Rgb)
            && tag(decoder, Tag::ExtraSamples).is_some_and(|value| value.first() == Some(&ASSOCIATED_ALPHA));
        Ok(Self { color, bits, samples, planar, premultiplied })
    }

    /// One pixel of 8-bit samples as RGB8.
    fn pixel(&self, samples: &[u8]) -> [u8; 3] {
        match (&self.color, samples) {
            (Color::Palette(colors), [index, ..]) => colors.get(usize::from(*index)).copied().unwrap_or([0; 3]),
            (Color::Rgb, [r, g, b, 1..=254]) if self.premultiplied => {
                let alpha = u16::from(samples[3]);
                [r, g, b].map(|&value| (255 * u16::from(value) / alpha).min(255) as u8)
            }
            (Color::Rgb, [r, g, b, ..]) => [*r, *g, *b],
            (Color::Cmyk, [c, m, y, k, ..]) => samples::cmyk([*c, *m, *y, *k]),
            (_, [grey, ..]) => [*grey; 3],
            (_, []) => [0; 3],
        }
    }
}

/// Reads every strip or tile into `pixels`.
fn read(
    decoder: &mut Decoder<Cursor<&[u8]>>,
    layout: &Layout,
    (width, height): (u32, u32),
    pixels: &mut [u8],
) -> Result<(), DecodeError> {
    let (chunk_width, chunk_height) = decoder.chunk_dimensions();
    if chunk_width == 0 || chunk_height == 0 {
        return Err(DecodeError::Undecodable("strips or tiles without a size".into()));
    }
    let across = width.div_ceil(chunk_width);
    let chunks = across * height.div_ceil(chunk_height);
    let (planes, per_chunk) = if layout.planar { (layout.samples, 1) } else { (1, layout.samples) };
    let mut gathered = Vec::new();
    for chunk in 0..chunks {
        let (data_width, data_height) = decoder.chunk_data_dimensions(chunk);
        let (data_width, data_height) = (data_width as usize, data_height as usize);
        gathered.clear();
        gathered.resize(data_width * data_height * layout.samples, 0);
        for plane in 0..planes {
            let samples = decoder.read_chunk(chunk + plane as u32 * chunks).map_err(failed)?;
            let samples = bytes_of(samples, layout, data_width * per_chunk)?;
            if samples.len() < data_width * data_height * per_chunk {
                return Err(DecodeError::Undecodable("a strip or tile with too few samples".into()));
            }
            if planes == 1 {
                gathered.copy_from_slice(&samples[..data_width * data_height * per_chunk]);
            } else {
                for (slot, sample) in gathered[plane..].iter_mut().step_by(planes).zip(samples) {
                    *slot = sample;
                }
            }
        }
        let (left, top) = ((chunk % across * chunk_width) as usize, (chunk / across * chunk_height) as usize);
        for (row, samples) in gathered.chunks_exact(data_width * layout.samples).enumerate() {
            let start = ((top + row) * width as usize + left) * 3;
            let (out, _) = pixels[start..start + data_width * 3].as_chunks_mut::<3>();
            for (out, pixel) in out.iter_mut().zip(samples.chunks_exact(layout.samples)) {
                *out = layout.pixel(pixel);
            }
        }
    }
    Ok(())
}

/// Samples of any depth as bytes: 16 bits keep their high byte, fewer than 8 are unpacked and spread over 0–255
/// (palette indices stay as they are). `row` is the number of samples in a row.
fn bytes_of(samples: DecodingResult, layout: &Layout, row: usize) -> Result<Vec<u8>, DecodeError> {
    match samples {
        DecodingResult::U8(bytes) if layout.bits == 8 => Ok(bytes),
        DecodingResult::U8(bytes) => {
            let bits = usize::from(layout.bits);
            let largest = (1u16 << bits) - 1;
            let spread = if matches!(layout.color, Color::Palette(_)) { 1 } else { 255 / largest };
            let unpack = |packed: &[u8]| -> Vec<u8> {
                let sample = |i: usize| packed[i * bits / 8] >> (8 - bits - i * bits % 8);
                (0..row).map(|i| ((u16::from(sample(i)) & largest) * spread) as u8).collect()
            };
            Ok(bytes.chunks_exact((row * bits).div_ceil(8)).flat_map(unpack).collect())
        }
        DecodingResult::U16(words) => Ok(words.into_iter().map(|word| (word >> 8) as u8).collect()),
        _ => Err(DecodeError::Unsupported("samples that are no whole numbers of up to 16 bits".into())),
    }
}

/// The colour map: all reds, then all greens, then all blues, 16 bits each.
fn palette(decoder: &mut Decoder<Cursor<&[u8]>>, bits: u8) -> Result<Vec<[u8; 3]>, DecodeError> {
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(failed)?;
    let colors = 1usize << bits;
    if map.len() < colors * 3 {
        return Err(DecodeError::Undecodable(format!("a colour map of {} values", map.len())));
    }
    let value = |plane: usize, index: usize| (map[plane * colors + index] >> 8) as u8;
    Ok((0..colors).map(|index| [value(0, index), value(1, index), value(2, index)]).collect())
}

/// The decoder refuses palette images, so it gets one whose header calls the indices grey.
fn without_palette(bytes: &[u8]) -> (Cow<'_, [u8]>, bool) {
    const PHOTOMETRIC: u16 = 262;
    const PALETTE: u32 = 3;
    const BLACK_IS_ZERO: u16 = 1;
    let Some(directory) = Directory::first(bytes) else { return (Cow::Borrowed(bytes), false) };
    let Some(at) = directory.short_at(PHOTOMETRIC) else { return (Cow::Borrowed(bytes), false) };
    if directory.value(PHOTOMETRIC) != Some(PALETTE) {
        return (Cow::Borrowed(bytes), false);
    }
    let mut patched = bytes.to_vec();
    patched[at].copy_from_slice(&directory.short(BLACK_IS_ZERO));
    (Cow::Owned(patched), true)
}

fn orientation(decoder: &mut Decoder<Cursor<&[u8]>>) -> Orientation {
    // A tag that cannot be read never costs the pixels.
    match decoder.find_tag_unsigned::<u16>(Tag::Orientation) {
        Ok(Some(value)) => Orientation::from_exif(u32::from(value)),
        _ => metadata::orientation(None, decoder.get_tag_u8_vec(XMP).ok().as_deref()),
    }
}

fn failed(error: TiffError) -> DecodeError {
    match error {
        TiffError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            DecodeError::Truncated("the file ends before its pixels do".into())
        }
        TiffError::UnsupportedError(error) => DecodeError::Unsupported(error.to_string()),
        other => DecodeError::Undecodable(other.to_string()),
    }
}
