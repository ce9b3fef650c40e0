//! How much the second-level cache of this processor holds.

use std::sync::OnceLock;

/// What most servers have at least, in bytes.
const USUAL: usize = 1 << 20;

/// Floats that take so many eighths of the cache. Images are cut into strips of that size; the results do not depend on it.
pub(crate) fn floats(eighths: usize) -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    let bytes = *BYTES.get_or_init(|| second_level().unwrap_or(USUAL));
    bytes / size_of::<f32>() * eighths / 8
}

/// As Linux tells it; other systems do not say.
fn second_level() -> Option<usize> {
    parsed(&std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size").ok()?)
}

/// "1024K" and the like, if it is a size that a second-level cache can have.
fn parsed(size: &str) -> Option<usize> {
    let size = size.trim().strip_suffix('K')?.parse::<usize>().ok()?.checked_mul(1024)?;
    (128 << 10..=16 << 20).contains(&size).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_if_they_can_be() {
        assert_eq!(parsed("2048K\n"), Some(2 << 20));
        for wrong in ["", "2M", "0K", "K", "99999999999999999999K", "18014398509481984K", "1048576K"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
        assert_eq!(floats(8), 2 * floats(4));
    }
}
