//! Numbers for people: grouped, rounded to what one reads, with their units. A no-break space stands before a unit.

use jiff::Timestamp;

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 image`, `2,000 images`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{}\u{a0}{}", grouped(number), if number == 1 { one } else { many })
}

/// A measured number with three significant digits or all before the point: `1,234`, `56.7`, `0.891`.
pub(super) fn rounded(number: f64) -> String {
    match number {
        _ if !number.is_finite() || number < 0.0 => "–".to_owned(),
        n if n >= 99.95 => grouped(n.round() as u64),
        n if n >= 9.995 => format!("{n:.1}"),
        n if n >= 0.9995 || n == 0.0 => format!("{n:.2}"),
        n => format!("{n:.3}"),
    }
}

/// The share of `part` in `whole`: `12.3%`. Only nothing is 0 %, only all of it is 100 %.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0%".to_owned();
    }
    if part >= whole {
        return "100%".to_owned();
    }
    match ratio(part, whole) * 100.0 {
        p if p < 0.1 => "<\u{a0}0.1%".to_owned(),
        p if p >= 99.95 => ">\u{a0}99.9%".to_owned(),
        p => format!("{p:.1}%"),
    }
}

/// `part / whole`, 0 where there is no whole.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A size in binary units: `110 KiB`, `1.06 GiB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return count(number, "byte", "bytes");
    }
    let mut size = number as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1023.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{}\u{a0}{}", without_zeros(rounded(size)), UNITS[unit])
}

/// Pixels in megapixels: `0.19 megapixels`, `12,345 megapixels`.
pub(super) fn megapixels(pixels: u64) -> String {
    format!("{}\u{a0}megapixels", without_zeros(rounded(pixels as f64 / 1e6)))
}

/// A time in its two largest units: `1.8 s`, `42 s`, `6 min 42 s`, `2 h 3 min`, `4 d 1 h`.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{:.1}\u{a0}s", seconds.max(0.0));
    }
    let whole = seconds.round() as u64;
    let pair = |most: u64, least: u64, names: [&str; 2]| {
        let (large, small) = (whole / most, whole % most / least);
        let first = format!("{}\u{a0}{}", grouped(large), names[0]);
        if small == 0 { first } else { format!("{first}\u{a0}{small}\u{a0}{}", names[1]) }
    };
    match whole {
        0..60 => format!("{whole}\u{a0}s"),
        60..3600 => pair(60, 1, ["min", "s"]),
        3600..86_400 => pair(3600, 60, ["h", "min"]),
        _ => pair(86_400, 3600, ["d", "h"]),
    }
}

/// A day: `23 November 2026`.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%-d\u{a0}%B\u{a0}%Y").to_string()
}

/// A time of day, UTC: `14:02:09`.
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

fn without_zeros(number: String) -> String {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: String) -> String {
        text.replace('\u{a0}', " ")
    }

    #[test]
    fn counts_are_grouped() {
        let shown = [0, 999, 1000, 1_234_567, u64::MAX].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567", "18,446,744,073,709,551,615"]);
        assert_eq!(plain(count(1, "image", "images")), "1 image");
        assert_eq!(plain(count(2000, "image", "images")), "2,000 images");
    }

    #[test]
    fn measured_numbers_have_three_digits() {
        let shown = [0.0, 0.08912, 1.0, 9.999, 56.72, 99.96, 1234.4, f64::NAN, f64::INFINITY].map(rounded);
        assert_eq!(shown, ["0.00", "0.089", "1.00", "10.0", "56.7", "100", "1,234", "–", "–"]);
    }

    #[test]
    fn shares_never_round_to_all_or_nothing() {
        let shown = [(0, 5), (1, 100_000), (1, 3), (99_999, 100_000), (7, 7), (0, 0)];
        let shown = shown.map(|(part, whole)| plain(percent(part, whole)));
        assert_eq!(shown, ["0%", "< 0.1%", "33.3%", "> 99.9%", "100%", "0%"]);
    }

    #[test]
    fn sizes_have_the_unit_that_suits() {
        let shown = [0, 1, 1023, 1024, 113_230, 64 << 20, 1 << 30, (1 << 30) - 1, u64::MAX].map(|n| plain(bytes(n)));
        let right = ["0 bytes", "1 byte", "1,023 bytes", "1 KiB", "111 KiB", "64 MiB", "1 GiB", "1 GiB", "16,384 PiB"];
        assert_eq!(shown, right);
        assert_eq!(plain(megapixels(187_500)), "0.188 megapixels");
        assert_eq!(plain(megapixels(100_000_000)), "100 megapixels");
    }

    #[test]
    fn times_have_two_units() {
        let shown = [-1.0, 1.84, 9.96, 59.7, 402.0, 7380.0, 7200.4, 350_000.0].map(|s| plain(duration(s)));
        assert_eq!(shown, ["0.0 s", "1.8 s", "10 s", "1 min", "6 min 42 s", "2 h 3 min", "2 h", "4 d 1 h"]);
        let at: Timestamp = "2026-11-03T04:05:06.789Z".parse().unwrap();
        assert_eq!((plain(day(at)), clock(at)), ("3 November 2026".to_owned(), "04:05:06".to_owned()));
    }
}
