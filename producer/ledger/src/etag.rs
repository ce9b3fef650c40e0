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
pub(crate) const DIGEST: usize = 16;
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

/// Appends a pushed ETag to two columns: its digest, if it has one, and everything else.
pub(crate) fn split(etag: &[u8], others: &mut Vec<u8>, digests: &mut Vec<u8>) {
    let digest = if matches!(etag[0], MD5 | MD5_OF_PARTS) { 1..1 + DIGEST } else { 1..1 };
    digests.extend_from_slice(&etag[digest.clone()]);
    others.extend_from_slice(&etag[..digest.start]);
    others.extend_from_slice(&etag[digest.end..]);
}

/// Takes an ETag off the front of two columns, as it was split, and appends it to `to`; none if there is none.
pub(crate) fn join(others: &mut &[u8], digests: &mut &[u8], to: &mut Vec<u8>) -> Option<()> {
    let (form, rest) = others.split_first()?;
    let mut after = rest;
    if matches!(*form, MD5 | MD5_OF_PARTS) {
        let (digest, more) = digests.split_at_checked(DIGEST)?;
        *digests = more;
        to.push(*form);
        to.extend_from_slice(digest);
    } else {
        to.push(*form);
    }
    match *form {
        MD5 => {}
        MD5_OF_PARTS => drop(varint::take(&mut after)?),
        TEXT => {
            let length = varint::take(&mut after).filter(|length| *length <= LONGEST as u64)?;
            after = after.split_at_checked(length as usize)?.1;
        }
        _ => return None,
    }
    to.extend_from_slice(&rest[..rest.len() - after.len()]);
    *others = after;
    Some(())
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
            let (mut others, mut digests) = (Vec::new(), Vec::new());
            split(&form, &mut others, &mut digests);
            assert_eq!(others.len() + digests.len(), form.len());
            let joined = |others: &[u8], digests: &[u8]| {
                let (mut others, mut digests, mut to) = (others, digests, Vec::new());
                join(&mut others, &mut digests, &mut to).map(|()| (to, others.to_vec(), digests.to_vec()))
            };
            let longer = |column: &[u8]| [column, &[7]].concat();
            assert_eq!(joined(&longer(&others), &longer(&digests)), Some((form.clone(), vec![7], vec![7])));
            for end in 0..others.len() {
                assert_eq!(joined(&others[..end], &digests), None, "{form:?} to {end}");
            }
            for end in 0..digests.len() {
                assert_eq!(joined(&others, &digests[..end]), None, "{form:?} to {end}");
            }
        }
        assert_eq!(join(&mut &[9, 9][..], &mut &[][..], &mut Vec::new()), None);
    }
}
