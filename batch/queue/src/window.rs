//! The messages between "sent" and "surely on the queue": bounded, and right however confirms and returns are ordered.

use std::collections::{HashSet, VecDeque};

use crate::outgoing::Outgoing;

/// A message that is not surely published yet.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) message: Outgoing,
    /// How often it was sent in vain.
    pub(crate) tries: u32,
}

/// What became certain.
#[derive(Debug, Default)]
pub(crate) struct Certain {
    pub(crate) published: u64,
    /// The broker had no queue for these, although it confirmed them.
    pub(crate) unroutable: Vec<Pending>,
}

/// Sent messages with their confirms `C`, at most `size` of them, and as many confirmed ones that a return may still concern.
///
/// The broker sends a return before the confirm of its message, but the client library hands it out with whichever confirm
/// it completes next, and completes those of one `multiple` confirm in any order. All of these are in the window together: after
/// `size` more messages, or when the window is empty, nothing can come any more.
pub(crate) struct Window<C> {
    size: usize,
    next_id: u64,
    sent: VecDeque<(u64, Pending, C)>,
    confirmed: VecDeque<(u64, Pending)>,
    returned: HashSet<u64>,
}

impl<C> Window<C> {
    pub(crate) fn new(size: usize) -> Window<C> {
        let size = size.max(1);
        let (sent, confirmed, returned) = Default::default();
        Window { size, next_id: 0, sent, confirmed, returned }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.sent.len() < self.size
    }

    /// Whether nothing is uncertain.
    pub(crate) fn is_settled(&self) -> bool {
        self.sent.is_empty() && self.confirmed.is_empty()
    }

    /// The id that the next message must be sent under.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id
    }

    pub(crate) fn sent(&mut self, pending: Pending, confirm: C) {
        self.sent.push_back((self.next_id, pending, confirm));
        self.next_id += 1;
    }

    /// The longest sent message, to wait for its confirm.
    pub(crate) fn oldest(&mut self) -> Option<(u64, Pending, C)> {
        self.sent.pop_front()
    }

    pub(crate) fn confirmed(&mut self, id: u64, pending: Pending) {
        self.confirmed.push_back((id, pending));
    }

    pub(crate) fn returned(&mut self, id: u64) {
        self.returned.insert(id);
    }

    /// Takes out what can no longer be returned.
    pub(crate) fn certain(&mut self) -> Certain {
        let mut certain = Certain::default();
        let keep = if self.sent.is_empty() { 0 } else { self.size };
        while self.confirmed.len() > keep {
            let Some((id, pending)) = self.confirmed.pop_front() else { break };
            if self.returned.remove(&id) {
                certain.unroutable.push(pending);
            } else {
                certain.published += 1;
            }
        }
        if self.sent.is_empty() {
            self.returned.clear();
        }
        certain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(n: u8) -> Pending {
        Pending { message: Outgoing::raw(vec![n]), tries: 0 }
    }

    fn send(window: &mut Window<()>, count: u8) {
        for n in 0..count {
            assert!(window.has_room());
            window.sent(pending(n), ());
        }
    }

    #[test]
    fn the_window_is_bounded() {
        let mut window = Window::new(3);
        send(&mut window, 3);
        assert!(!window.has_room());
        let (id, first, ()) = window.oldest().unwrap();
        window.confirmed(id, first);
        assert!(window.has_room());
    }

    #[test]
    fn a_return_that_comes_with_a_later_confirm_still_finds_its_message() {
        let mut window = Window::new(4);
        send(&mut window, 4);
        let (first, message, ()) = window.oldest().unwrap();
        window.confirmed(first, message);
        assert_eq!(window.certain().published, 0, "a return may still come");
        while let Some((id, message, ())) = window.oldest() {
            if id == 3 {
                window.returned(first);
            }
            window.confirmed(id, message);
        }
        let certain = window.certain();
        assert_eq!(certain.published, 3);
        let bodies: Vec<_> = certain.unroutable.into_iter().map(|p| p.message.body).collect();
        assert_eq!(bodies, [vec![0]]);
    }

    #[test]
    fn what_is_older_than_a_window_is_certain_and_released() {
        let mut window = Window::new(2);
        let mut published = 0;
        for n in 0..100 {
            if !window.has_room() {
                let (id, message, ()) = window.oldest().unwrap();
                window.confirmed(id, message);
                published += window.certain().published;
            }
            window.sent(pending(n), ());
            assert!(window.confirmed.len() <= 2);
        }
        assert_eq!(published, 96);
    }
}
