//! Why a program ended, left where Kubernetes looks for it.

/// As much as Kubernetes keeps.
const LONGEST: usize = 4096;

/// Writes `message` into the file that `PIXELMILL_TERMINATION_LOG` names (`/dev/termination-log` in a pod). Nothing happens
/// without it, and a file that cannot be written changes nothing: the message is on stderr anyway.
pub fn last_words(message: &str) {
    if let Some(file) = std::env::var_os("PIXELMILL_TERMINATION_LOG").filter(|file| !file.is_empty()) {
        let _best_effort = std::fs::write(file, shortened(message));
    }
}

/// The beginning, in whole characters.
fn shortened(message: &str) -> &str {
    &message[..message.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(shortened("why"), "why");
        let long = "ä".repeat(3000);
        assert_eq!(shortened(&long).len(), LONGEST);
        assert_eq!(shortened(&format!("x{long}")).len(), LONGEST - 1);
    }
}
