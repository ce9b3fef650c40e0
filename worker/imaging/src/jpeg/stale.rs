//! Memory that images before have left is not cleared: whatever it holds, none of it shows, however a file ends.

use super::{File, Room, Window, read};
use crate::DecodeError;
use crate::buffers::spoilt;
use crate::geometry::Part;
use crate::sample::{Fine, Sample};

/// The pixels of the middle of an image, or of all of it, decoded into memory that held `memory`.
fn pixels<S: Sample>(bytes: &[u8], reduction: usize, middle: bool, memory: u8) -> Result<(Vec<S>, bool), DecodeError> {
    spoilt::with(memory);
    let mut file = File::new(bytes);
    let frame = file.read_frame()?;
    let color = file.color(&frame);
    let part = |length: usize| if middle { length / 3..length - length / 3 } else { 0..length };
    let part = Part { columns: part(frame.width), rows: part(frame.height) };
    let window = Window::new(&frame, reduction, &part);
    let (rows, whole) = read(&mut file, &frame, color, &window)?;
    let (row, mut room) = (window.part.columns.len() * 3, Room::default());
    let mut pixels = vec![S::of(memory.into()); row * rows.count()];
    for (number, out) in pixels.chunks_exact_mut(row).enumerate() {
        rows.write(number, &mut room, out);
    }
    Ok((pixels, whole))
}

/// Checks a file and every beginning of it; says how many of these were decoded.
fn check(bytes: &[u8]) -> usize {
    let mut cut = 0;
    for length in (0..bytes.len()).step_by(7).chain([bytes.len()]) {
        for middle in [false, true] {
            for reduction in [1, 4] {
                let of = |memory| pixels::<u8>(&bytes[..length], reduction, middle, memory);
                let fine = |memory| pixels::<Fine>(&bytes[..length], reduction, middle, memory);
                let (Ok(black), Ok(white)) = (of(0), of(255)) else { continue };
                assert!(black == white, "{length} bytes at 1/{reduction}");
                assert!(fine(0).unwrap() == fine(255).unwrap(), "{length} bytes at 1/{reduction}");
                cut += usize::from(!black.1);
            }
        }
    }
    cut
}

#[test]
fn of_files_that_are_cut_anywhere() {
    for bytes in [
        &include_bytes!("../../fixtures/420.jpg")[..],
        include_bytes!("../../fixtures/restart.jpg"),
        include_bytes!("../../fixtures/progressive-restart.jpg"),
        include_bytes!("../../fixtures/grey.jpg"),
        include_bytes!("../../fixtures/cmyk.jpg"),
    ] {
        assert!(check(bytes) > 50);
    }
}

/// A grey file as one of three components, each with a scan of its own that has the same data; with the scans of these components.
fn in_scans(components: &[u8]) -> Vec<u8> {
    let grey = include_bytes!("../../fixtures/grey.jpg");
    let mut made = grey[..2].to_vec();
    let mut rest = &grey[2..];
    loop {
        let (code, length) = (rest[1], 2 + usize::from(u16::from_be_bytes([rest[2], rest[3]])));
        let (segment, after) = rest.split_at(length);
        rest = after;
        match code {
            0xc0 => {
                made.extend([0xff, 0xc0, 0, 17]);
                made.extend(&segment[4..9]);
                made.push(3);
                made.extend((1..=3).flat_map(|component| [component, 0x11, 0]));
            }
            0xda => break,
            _ => made.extend(segment),
        }
    }
    let data = &rest[..rest.len() - 2];
    for &component in components {
        made.extend([0xff, 0xda, 0, 8, 1, component, 0, 0, 63, 0]);
        made.extend(data);
    }
    made.extend([0xff, 0xd9]);
    made
}

#[test]
fn of_components_that_have_scans_of_their_own() {
    let whole = |components: &[u8]| pixels::<u8>(&in_scans(components), 1, false, 0).unwrap();
    let (three, is_whole) = whole(&[1, 2, 3]);
    assert!(is_whole && whole(&[3, 1, 2]).0 == three && whole(&[1, 1, 2, 3]).0 == three);
    for components in [&[1, 2, 3][..], &[3, 2, 1], &[1, 1, 2, 3], &[1, 3], &[2]] {
        assert!(check(&in_scans(components)) > 50, "{components:?}");
    }
    // Two components that never come are grey, and so are the colours then.
    let (luma, is_whole) = whole(&[1]);
    assert!(!is_whole && luma.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b));
}

/// What the first one made stays, but for the block in which the data ends.
#[test]
fn of_a_scan_that_comes_again_and_is_cut() {
    let (file, once) = (in_scans(&[1, 1]), in_scans(&[1]));
    let before = pixels::<u8>(&once, 1, false, 0).unwrap().0;
    for length in once.len()..file.len() - 2 {
        let after = pixels::<u8>(&file[..length], 1, false, 255).unwrap().0;
        let pairs = before.as_chunks::<3>().0.iter().zip(after.as_chunks::<3>().0);
        let changed = pairs.filter(|(before, after)| before != after).count();
        assert!(changed <= 64, "{changed} pixels at {length} bytes");
    }
}
