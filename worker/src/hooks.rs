//! Test-only, compiled with the feature `test-hooks`: files that do to an engine what hostile images do to a decoder.

/// Obeys `PIXELMILL-TEST:<what>` at the start of a file: `abort`, `hang`, `allocate`, `panic`, `exit`.
pub fn obey(file: &[u8]) {
    let Some(order) = file.strip_prefix(b"PIXELMILL-TEST:") else { return };
    if order.starts_with(b"abort") {
        std::process::abort();
    } else if order.starts_with(b"hang") {
        loop {
            std::hint::spin_loop();
        }
    } else if order.starts_with(b"allocate") {
        let mut hoard = Vec::new();
        loop {
            hoard.push(vec![1_u8; 16 << 20]);
            std::hint::black_box(&hoard);
        }
    } else if order.starts_with(b"panic") {
        panic!("ordered to");
    } else if order.starts_with(b"exit") {
        std::process::exit(3);
    }
}
