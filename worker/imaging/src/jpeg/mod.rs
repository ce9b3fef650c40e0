//! JPEG: baseline, extended and progressive, at full size or reduced to a half, a quarter or an eighth.
//!
//! Written for two things that the decoders at hand do not give together: pixels that equal those of libjpeg (and so of
//! Pillow) to the last bit, on every machine, and a decode at reduced scale that is as fast as the entropy coding
//! allows. It needs no other crate, and its only `unsafe` is AVX2: calls of functions that are compiled for it, and eight
//! integers at once (`lanes`).

mod bits;
mod coding;
mod file;
mod frame;
mod huffman;
mod idct;
mod image;
mod lanes;
mod looks;
mod means;
mod planes;
mod progressive;
mod rows;
mod scale;
mod scan;
mod sequential;
#[cfg(test)]
mod stale;
mod window;

#[cfg(target_arch = "x86_64")]
use self::lanes::Avx2;
pub(crate) use self::rows::{Room, Rows};
use self::{file::File, frame::Frame, image::Image, lanes::Lanes, planes::Color, window::Window};
use crate::pixels::{Pixels, Samples};
use crate::{DecodeError, Limits, decoded::Raster, geometry::Need, metadata, sample::Sample};

/// Decodes a JPEG, at a reduced scale where `need` allows it. What a cut file lacks is grey.
pub(crate) fn decode(bytes: &[u8], limits: &Limits, need: &Need<'_>) -> Result<Raster, DecodeError> {
    let orientation = metadata::jpeg_orientation(bytes);
    let mut file = File::new(bytes);
    let frame = file.read_frame()?;
    let (width, height) = (frame.width as u32, frame.height as u32);
    limits.check_size(width, height)?;
    let color = file.color(&frame);
    let (shown_width, shown_height) = orientation.size((width, height));
    let reduction = need.reduction(shown_width, shown_height);

    let blocks: usize = frame.components.iter().map(|component| component.blocks.0 * component.blocks.1).sum();
    if bytes.len() * 8 < blocks {
        // Every block takes a bit at least: nothing is allocated for a header alone.
        limits.allow_truncated(format!("{width}x{height} pixels cannot be in {} bytes", bytes.len()))?;
    }
    let part = orientation.stored(need.part(shown_width, shown_height), (frame.width, frame.height));
    let window = Window::new(&frame, reduction as usize, &part);
    let bytes_in_full = (reduction > 1).then(|| Window::new(&frame, 1, &part).bytes(&frame));
    let (pixels, whole) = samples(&mut file, &frame, color, &window)?;
    if !whole {
        limits.allow_truncated("the file ends before its last block")?;
    }
    let (part, truncated) = (window.part, !whole);
    Ok(Raster { width, height, reduction, bytes_in_full, part, pixels, truncated, orientation })
}

/// Reads the scans of a file: to bytes at full size, with fractions at a reduced one. `false`: the file ended early.
fn samples(file: &mut File<'_>, frame: &Frame, color: Color, window: &Window) -> Result<(Samples, bool), DecodeError> {
    if window.reduction == 1 {
        read(file, frame, color, window).map(|(rows, whole)| (Samples::Bytes(Pixels::Rows(rows)), whole))
    } else {
        read(file, frame, color, window).map(|(rows, whole)| (Samples::Fine(Pixels::Rows(rows)), whole))
    }
}

/// Reads the scans of a file. `false`: the file ended early.
///
/// The way from bits to samples is compiled twice on x86-64, for processors with AVX2 and BMI2 and for others. It is
/// integer arithmetic, so the samples are the same.
fn read<S: Sample>(
    file: &mut File<'_>,
    frame: &Frame,
    color: Color,
    window: &Window,
) -> Result<(Rows<S>, bool), DecodeError> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi2") {
        // SAFETY: the processor has AVX2 and BMI2, which is all that the function asks for.
        return unsafe { read_avx2(file, frame, color, window) };
    }
    read_with::<S, [i32; 8]>(file, frame, color, window)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2")]
fn read_avx2<S: Sample>(
    file: &mut File<'_>,
    frame: &Frame,
    color: Color,
    window: &Window,
) -> Result<(Rows<S>, bool), DecodeError> {
    read_with::<S, Avx2>(file, frame, color, window)
}

#[inline(always)]
fn read_with<S: Sample, L: Lanes>(
    file: &mut File<'_>,
    frame: &Frame,
    color: Color,
    window: &Window,
) -> Result<(Rows<S>, bool), DecodeError> {
    let mut image = Image::new(frame, window);
    let whole = image.read::<L>(file, frame)?;
    image.finish::<L>();
    Ok((image.rows(color), whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::{Buffer, spoilt};
    use crate::{geometry::Part, sample::Fine};

    /// Reads a file to pixels, with what was compiled for this processor or for any.
    fn pixels<S: Sample>(
        file: &mut File<'_>,
        frame: &Frame,
        window: &Window,
        portable: bool,
    ) -> Result<(Buffer<S>, bool), DecodeError> {
        let color = file.color(frame);
        let read = if portable { read_with::<S, [i32; 8]> } else { read::<S> };
        let (rows, whole) = read(file, frame, color, window)?;
        let (row, mut room) = (window.part.columns.len() * 3, Room::default());
        let mut pixels = Buffer::new(row * window.part.rows.len());
        for (number, out) in pixels.chunks_exact_mut(row).enumerate() {
            if portable { rows.write_portable(number, &mut room, out) } else { rows.write(number, &mut room, out) }
        }
        Ok((pixels, whole))
    }

    #[test]
    fn every_instruction_set_gives_the_same_pixels() {
        for bytes in [
            &include_bytes!("../../fixtures/reduced-420.jpg")[..],
            include_bytes!("../../fixtures/reduced-444.jpg"),
            include_bytes!("../../fixtures/cmyk.jpg"),
        ] {
            for reduction in [1, 2, 4, 8] {
                fn of<S: Sample>(bytes: &[u8], reduction: usize, portable: bool) -> (Buffer<S>, bool) {
                    let mut file = File::new(bytes);
                    let frame = file.read_frame().unwrap();
                    let part = Part { columns: 5..frame.width, rows: 0..frame.height };
                    pixels(&mut file, &frame, &Window::new(&frame, reduction, &part), portable).unwrap()
                }
                assert_eq!(of::<u8>(bytes, reduction, false), of::<u8>(bytes, reduction, true));
                assert_eq!(of::<Fine>(bytes, reduction, false), of::<Fine>(bytes, reduction, true));
            }
        }
    }

    #[test]
    fn every_instruction_set_makes_the_same_of_damaged_files() {
        let mut state = 1u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let (mut whole, mut cut, mut wrong) = (0, 0, 0);
        for round in 0..600 {
            let mut bytes = match round % 3 {
                0 => include_bytes!("../../fixtures/reduced-420.jpg").to_vec(),
                1 => include_bytes!("../../fixtures/cmyk.jpg").to_vec(),
                _ => include_bytes!("../../fixtures/progressive-420.jpg").to_vec(),
            };
            for _ in 0..1 + next(3) {
                let at = next(bytes.len());
                bytes[at] ^= 1 << next(8);
            }
            let reduction = 1 << next(4);
            let read = |portable: bool| -> Result<(Buffer<Fine>, bool), DecodeError> {
                let mut file = File::new(&bytes);
                let frame = file.read_frame()?;
                Limits { max_pixels: 1 << 20, ..Limits::default() }
                    .check_size(frame.width as u32, frame.height as u32)?;
                let part = Part { columns: 0..frame.width, rows: 0..frame.height };
                pixels(&mut file, &frame, &Window::new(&frame, reduction, &part), portable)
            };
            // Each in memory of its own, of which nothing may show.
            let read = |portable: bool, memory: u8| {
                spoilt::with(memory);
                read(portable)
            };
            match (read(false, 0), read(true, 255)) {
                (Ok(chosen), Ok(portable)) => {
                    assert_eq!(chosen, portable, "round {round}");
                    if chosen.1 { whole += 1 } else { cut += 1 }
                }
                (Err(chosen), Err(portable)) => {
                    assert_eq!(chosen.to_string(), portable.to_string(), "round {round}");
                    wrong += 1;
                }
                (chosen, _) => panic!("round {round}: only one of both is an error: {}", chosen.is_err()),
            }
        }
        assert!(whole > 100 && cut > 10 && wrong > 50, "{whole} whole, {cut} cut, {wrong} wrong");
    }

    #[test]
    fn a_header_alone_allocates_nothing() {
        let mut bytes = include_bytes!("../../fixtures/bomb.jpg").to_vec();
        bytes.truncate(700);
        let limits = Limits { max_pixels: u64::MAX, ..Limits::default() };
        let error = decode(&bytes, &limits, &Need::Thumbnail(9)).unwrap_err();
        assert_eq!(error.code(), "truncated");
        assert!(error.to_string().contains("cannot be in 700 bytes"), "{error}");
    }
}
