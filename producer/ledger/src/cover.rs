//! Which segments there are: those of one run, and for every 16 neighbours of a level one of the level above. The runs
//! 1 to n are always covered by at most 15 segments of each level, and which ones these are follows from n alone.

use std::ops::RangeInclusive;

/// Segments that become one of the level above.
pub(crate) const WIDTH: u64 = 16;

/// The runs of the segments that cover 1 to `last`, in order.
pub(crate) fn cover(last: u64) -> Vec<RangeInclusive<u64>> {
    let mut spans = Vec::new();
    let mut first = 1;
    while first <= last {
        let mut length = 1;
        // The longest that begins here: at a multiple of its length, counted from 0, and not beyond the end.
        while (first - 1) % (length * WIDTH) == 0 && first - 1 + length * WIDTH <= last {
            length *= WIDTH;
        }
        spans.push(first..=first + length - 1);
        first += length;
    }
    spans
}

/// The segments of the level below that a segment is made of; of one run there are none.
pub(crate) fn children(span: &RangeInclusive<u64>) -> Vec<RangeInclusive<u64>> {
    let length = (span.end() - span.start() + 1) / WIDTH;
    if length == 0 {
        return Vec::new();
    }
    (0..WIDTH).map(|at| span.start() + at * length).map(|first| first..=first + length - 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cover_is_complete_and_short() {
        for last in (0..1000).chain([4095, 4096, 4097, 65_535, 65_536, 1_000_000]) {
            let spans = cover(last);
            let mut next = 1;
            for span in &spans {
                assert_eq!(*span.start(), next);
                next = span.end() + 1;
            }
            assert_eq!(next, last + 1);
            let levels = last.max(1).ilog(WIDTH) + 1;
            assert!(spans.len() as u32 <= levels * (WIDTH as u32 - 1), "{last}: {}", spans.len());
        }
        assert_eq!(cover(35), [1..=16, 17..=32, 33..=33, 34..=34, 35..=35]);
    }

    #[test]
    fn children_cover_their_parent() {
        assert_eq!(children(&(7..=7)), []);
        assert_eq!(children(&(17..=32)), (17..=32).map(|run| run..=run).collect::<Vec<_>>());
        assert_eq!(children(&(257..=512)), cover(512)[1..].iter().flat_map(children).collect::<Vec<_>>());
        assert_eq!(children(&(257..=512))[1], 273..=288);
    }
}
