//! Test-only, compiled with the feature `test-hooks`: files that do to an engine what hostile images do to a decoder, and
//! one that does to a worker what no image can.

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
        allocate();
    } else if order.starts_with(b"panic") {
        panic!("ordered to");
    } else if order.starts_with(b"exit") {
        std::process::exit(3);
    }
}

/// Obeys `PIXELMILL-TEST:hoard` in the worker itself, whose memory only its container bounds.
pub fn obey_in_worker(file: &[u8]) {
    if file.starts_with(b"PIXELMILL-TEST:hoard") {
        allocate();
    }
}

fn allocate() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 16 << 20]);
        std::hint::black_box(&hoard);
    }
}
