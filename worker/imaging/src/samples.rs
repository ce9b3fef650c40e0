//! Rows of other sample layouts as RGB8, by Pillow's rules: alpha is dropped, 16 bits keep their high byte.

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
pub(crate) fn cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = 255 - k;
    [c, m, y].map(|ink| light - divide_by_255(u16::from(light) * u16::from(ink)))
}

/// `product / 255`, rounded to the nearest, for products of two bytes.
fn divide_by_255(product: u16) -> u8 {
    let sum = u32::from(product) + 128;
    ((sum + (sum >> 8)) >> 8) as u8
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
        assert_eq!(cmyk([10, 20, 30, 40]), [207, 198, 190]);
        assert_eq!(cmyk([0; 4]), [255; 3]);
        assert_eq!(cmyk([255, 0, 0, 0]), [0, 255, 255]);
    }

    #[test]
    fn division_is_rounded_division() {
        for product in 0..=255 * 255u16 {
            assert_eq!(f64::from(divide_by_255(product)), (f64::from(product) / 255.0).round());
        }
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
