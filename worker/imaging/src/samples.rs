//! Rows of other sample layouts as RGB8, by Pillow's rules: alpha is dropped, 16 bits keep their high byte.

use crate::sample::Sample;

/// Appends grey samples as RGB8.
pub(crate) fn grey(samples: impl IntoIterator<Item = u8>, out: &mut Vec<u8>) {
    for sample in samples {
        out.extend_from_slice(&[sample; 3]);
    }
}

/// Drops alpha in place: RGBA8 becomes RGB8.
pub(crate) fn drop_alpha(mut rgba: Vec<u8>) -> Vec<u8> {
    let pixels = rgba.len() / 4;
    for pixel in 1..pixels {
        rgba.copy_within(pixel * 4..pixel * 4 + 3, pixel * 3);
    }
    rgba.truncate(pixels * 3);
    rgba
}

/// One pixel of ink (255 = full) as RGB, as Pillow converts `CMYK`: `(255 − k) − (255 − k) · c / 255`, rounded.
pub(crate) fn cmyk<S: Sample>([c, m, y, k]: [S; 4]) -> [S; 3] {
    let light = S::WHITE - k.steps();
    [c, m, y].map(|ink| S::clamped(light - (light * ink.steps() + S::WHITE / 2) / S::WHITE))
}

/// Pillow's `convert("L")` of one pixel: ITU-R 601 luma in 16-bit fixed point.
pub(crate) fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_as_pillow_shows_it() {
        assert_eq!(cmyk([10u8, 20, 30, 40]), [207, 198, 190]);
        assert_eq!(cmyk([0u8; 4]), [255; 3]);
        assert_eq!(cmyk([255u8, 0, 0, 0]), [0, 255, 255]);
        assert_eq!(cmyk([160u16, 320, 480, 640]), [3305, 3170, 3035]);
    }

    #[test]
    fn alpha_goes_and_grey_stays() {
        assert_eq!(drop_alpha(vec![1, 2, 3, 9, 4, 5, 6, 9]), [1, 2, 3, 4, 5, 6]);
        assert_eq!(drop_alpha(vec![]), [0u8; 0]);
        for v in 0..=255 {
            assert_eq!(luma([v; 3]), v);
        }
    }
}
