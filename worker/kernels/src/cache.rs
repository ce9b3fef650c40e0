//! How much of an image is worked on at a time.

use std::sync::OnceLock;

/// Floats of a strip: images are cut into strips of rows, so that one stays in the second-level cache while all weights pass
/// over it, and as few as possible, since every strip fetches all weights. Five eighths of the cache leave room for these.
/// Results do not depend on it.
pub(crate) fn strip() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    BYTES.get_or_init(|| second_level().unwrap_or(LEAST).clamp(LEAST, MOST)) / size_of::<f32>() / 8 * 5
}

/// What most servers have at least, in bytes.
const LEAST: usize = 1 << 20;
/// Larger ones are shared, or were not tried.
const MOST: usize = 2 << 20;

/// The size of the second-level cache as Linux tells it; other systems do not say.
fn second_level() -> Option<usize> {
    parsed(&std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size").ok()?)
}

/// "1024K" and the like.
fn parsed(size: &str) -> Option<usize> {
    size.trim().strip_suffix('K')?.parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_if_they_can_be() {
        assert_eq!(parsed("2048K\n"), Some(2 << 20));
        for wrong in ["", "2M", "K", "99999999999999999999K", "18446744073709551615K"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
        assert!((160 << 10..=320 << 10).contains(&strip()));
    }
}
