//! Any bytes as a message from the queue: set aside with a reason that quotes none of them, or a task.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue::{MAX_MESSAGE, TaskMessage};

fuzz_target!(|bytes: &[u8]| match TaskMessage::parse(bytes) {
    Ok(message) => {
        let text = message.encode();
        assert!(text.len() <= MAX_MESSAGE);
        assert_eq!(TaskMessage::parse(&text), Ok(message));
    }
    Err(error) => assert!(error.to_string().is_ascii()),
});
