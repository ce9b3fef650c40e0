//! How much of an image is worked on at a time. Results do not depend on it, so machines with other caches give the same bits.

use std::sync::OnceLock;

/// Floats of a strip: images are cut into strips of rows, so that one stays in the second-level cache while all weights pass
/// over it, and as few as possible, since every strip fetches all weights. Five eighths of the cache leave room for these.
pub(crate) fn strip() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| size("index2", SECOND)) / size_of::<f32>() / 8 * 5
}

/// Floats of rows that are made, read by the next op while they are in the first-level cache, and forgotten.
pub(crate) fn ring() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| size("index0", FIRST)) / size_of::<f32>()
}

/// What most servers have at least, in bytes, and what was tried at most.
type Range = (usize, usize);
const FIRST: Range = (32 << 10, 48 << 10);
const SECOND: Range = (1 << 20, 2 << 20);

/// The size of a cache as Linux tells it; other systems do not say.
fn size(index: &str, (least, most): Range) -> usize {
    let told = std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/{index}/size"));
    told.ok().and_then(|size| parsed(&size)).unwrap_or(least).clamp(least, most)
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
        assert!((8 << 10..=12 << 10).contains(&ring()));
    }

    #[test]
    fn a_cache_that_is_not_there_has_the_least_size() {
        assert_eq!(size("index99", SECOND), SECOND.0);
    }
}
