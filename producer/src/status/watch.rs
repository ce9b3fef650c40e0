//! The live display of `status --watch`: a bar on a terminal, lines in a pipe.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
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
        Self::Bar(ProgressBar::with_draw_target(Some(images), ProgressDrawTarget::stderr()))
    }

    pub(super) fn show(&self, facts: &Facts) -> Result<(), Failure> {
        match self {
            Self::Json => io::stdout().write_all(facts.json()?.as_bytes())?,
            Self::Lines => writeln!(io::stdout(), "{}", line(facts, " · "))?,
            Self::Bar(bar) => {
                // The style has the text: a message is drawn by itself, so that each look would be drawn twice.
                bar.set_style(style(line(facts, "\n")));
                bar.set_position(facts.images.done);
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

fn style(text: String) -> ProgressStyle {
    let style = ProgressStyle::with_template("{bar:30} {look}").unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("look", move |_: &ProgressState, out: &mut dyn fmt::Write| {
        let _to_memory = out.write_str(&text);
    })
}

fn line(facts: &Facts, between: &str) -> String {
    let errors = facts.error_line().map(|errors| format!("failed: {errors}"));
    let queue = facts.queue_line().map(|queue| format!("queue {queue}"));
    let parts = [Some(facts.image_line()), facts.rate_line(), errors, queue];
    parts.into_iter().flatten().collect::<Vec<_>>().join(between)
}
