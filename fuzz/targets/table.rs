//! Any bytes as a table of images, `.csv` and `.jsonl`: images, or a sentence.

#![no_main]

use batch::input::{TableFormat, records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for format in [TableFormat::Csv, TableFormat::Jsonl] {
        let mut found = 0;
        let result = records(bytes, format, &mut |image| {
            // What is too long or empty is refused here, before it is stored.
            let _refused = image.validate();
            assert_ne!(image.id.as_deref(), Some(""));
            found += 1;
            true
        });
        assert!(found <= bytes.len());
        if let Err(sentence) = result {
            assert!(!sentence.is_empty());
        }
    }
});
