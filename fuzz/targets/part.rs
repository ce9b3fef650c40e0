//! Any bytes as a part: refused, or rows that are written as they were read.

#![no_main]

use batch::Part;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(part) = Part::decode(bytes) else { return };
    let text = part.encode().unwrap();
    assert_eq!(Part::decode(&text).unwrap().encode().unwrap(), text);
    assert!(part.check(&[]).is_err() || part.rows.is_empty());
});
