//! The live display of `status --watch`: a bar on a terminal, lines in a pipe.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use program::Failure;

use super::facts::Facts;
use crate::formats::Shape;

/// Where the looks go until the last one.
pub(super) enum Display {
    /// One JSON object a look.
    Json,
    /// One line a look.
    Lines,
    /// A bar that is drawn again at each look.
    Bar(ProgressBar),
}

impl Display {
    pub(super) fn new(shape: Shape, images: u64) -> Self {
        if shape == Shape::Json {
            return Self::Json;
        }
        if !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::with_draw_target(Some(images), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::Bar(bar)
    }

    pub(super) fn show(&self, facts: &Facts) -> Result<(), Failure> {
        match self {
            Self::Json => io::stdout().write_all(facts.json()?.as_bytes())?,
            Self::Lines => writeln!(io::stdout(), "{}", line(facts, " · "))?,
            Self::Bar(bar) => {
                bar.set_position(facts.images.done);
                bar.set_message(line(facts, "\n"));
            }
        }
        Ok(())
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn line(facts: &Facts, between: &str) -> String {
    let errors = facts.error_line().map(|errors| format!("failed: {errors}"));
    let queue = facts.queue_line().map(|queue| format!("queue {queue}"));
    let parts = [Some(facts.image_line()), facts.rate_line(), errors, queue];
    parts.into_iter().flatten().collect::<Vec<_>>().join(between)
}
