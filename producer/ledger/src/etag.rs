//! ETags as bytes: nearly all are an MD5 in hex, perhaps with a number of parts, which takes half the room. Each ETag has
//! exactly one form, so that equal bytes mean equal ETags.

use crate::varint;

/// `0123…ef`: 16 bytes.
const MD5: u8 = 1;
/// `0123…ef-12`: 16 bytes and the number.
const MD5_OF_PARTS: u8 = 2;
/// Anything else: its length and its bytes.
const TEXT: u8 = 3;
/// Bytes of an MD5.
const DIGEST: usize = 16;
/// Longest ETag that a segment may hold.
pub(crate) const LONGEST: usize = 4096;

/// Appends an ETag: a byte that tells its form, then what the form needs.
pub(crate) fn push(etag: &str, to: &mut Vec<u8>) {
    let (digest, parts) = match etag.split_once('-') {
        Some((digest, parts)) => (digest, canonical(parts)),
        None => (etag, Some(0)),
    };
    match (md5(digest), parts) {
        (Some(digest), Some(parts)) => {
            to.push(if parts == 0 { MD5 } else { MD5_OF_PARTS });
            to.extend(digest);
            if parts > 0 {
                varint::push(parts, to);
            }
        }
        _ => {
            to.push(TEXT);
            varint::push(etag.len() as u64, to);
            to.extend(etag.as_bytes());
        }
    }
}

/// Takes an ETag off the front of `bytes`, as it was pushed.
pub(crate) fn take<'a>(bytes: &mut &'a [u8]) -> Taken<'a> {
    let all = *bytes;
    let Some((form, mut rest)) = all.split_first() else { return Taken::TooShort };
    let length = match *form {
        MD5 => DIGEST,
        MD5_OF_PARTS => {
            let mut number = rest.get(DIGEST..).unwrap_or_default();
            let before = number.len();
            match varint::take(&mut number) {
                Some(_) => DIGEST + before - number.len(),
                None => return Taken::TooShort,
            }
        }
        TEXT => match varint::take(&mut rest) {
            Some(length) if length <= LONGEST as u64 => length as usize,
            Some(_) => return Taken::Wrong,
            None => return Taken::TooShort,
        },
        _ => return Taken::Wrong,
    };
    match rest.get(length..) {
        Some(after) => {
            *bytes = after;
            Taken::Etag(&all[..all.len() - after.len()])
        }
        None => Taken::TooShort,
    }
}

/// What was at the front.
pub(crate) enum Taken<'a> {
    /// All bytes of an ETag.
    Etag(&'a [u8]),
    /// The beginning of one.
    TooShort,
    /// Something else.
    Wrong,
}

/// 32 lower-case hex digits.
fn md5(text: &str) -> Option<[u8; DIGEST]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let text: &[u8; 2 * DIGEST] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; DIGEST];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// A number from 1 on as it is usually written; `007` and `+7` are another text.
fn canonical(text: &str) -> Option<u64> {
    let number: u32 = text.parse().ok()?;
    (number > 0 && number.to_string() == text).then_some(number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(etag: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        push(etag, &mut bytes);
        bytes
    }

    #[test]
    fn every_etag_has_bytes_of_its_own_and_common_ones_few() {
        let hex = "0123456789abcdef0123456789abcdef";
        assert_eq!([pushed(hex).len(), pushed(&format!("{hex}-12")).len()], [17, 18]);
        let texts = [
            hex.to_owned(),
            hex.to_uppercase(),
            format!("{hex}-1"),
            format!("{hex}-01"),
            format!("{hex}-+1"),
            format!("{hex}-0"),
            format!("{hex}-"),
            format!("{hex}-300"),
            format!("{hex}-1-1"),
            format!("{hex}0"),
            hex[1..].to_owned(),
            String::new(),
            "ä".to_owned(),
        ];
        let forms: std::collections::BTreeSet<_> = texts.iter().map(|text| pushed(text)).collect();
        assert_eq!(forms.len(), texts.len());
        for form in forms {
            let longer = [&form[..], &[7]].concat();
            let mut rest = &longer[..];
            assert!(matches!(take(&mut rest), Taken::Etag(taken) if taken == form) && rest == [7]);
            for end in 0..form.len() {
                assert!(matches!(take(&mut &form[..end]), Taken::TooShort), "{form:?} to {end}");
            }
        }
        assert!(matches!(take(&mut &[9, 9][..]), Taken::Wrong));
    }
}
