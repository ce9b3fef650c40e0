//! Progress on a terminal, and the summary line.

use std::time::Duration;

use batch::Summary;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A progress bar on stderr; nothing where stderr is no terminal.
pub(super) struct ProgressDisplay(ProgressBar);

impl ProgressDisplay {
    pub(super) fn new(images: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(images), ProgressDrawTarget::stderr());
        let template = "{bar:30} {pos}/{len} images  {rate} images/s  ETA {eta}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.with_key("rate", |state: &ProgressState, to: &mut dyn std::fmt::Write| {
            let _cannot_fail = write!(to, "{:.1}", state.per_sec());
        }));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Counts the images of a part; those of earlier runs do not count into the rate.
    pub(super) fn advance(&self, images: usize, now: bool) {
        self.0.inc(images as u64);
        if !now {
            self.0.reset_eta();
        }
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// What this run cost.
pub(super) struct Effort {
    /// Images that this run worked on.
    pub(super) images: u64,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
}

impl Effort {
    /// `250 images: 248 ok, 2 failed (undecodable 1, truncated 1) · 41.2 images/s · 48.5 core-seconds per 1,000 images`
    pub(super) fn line(&self, summary: &Summary) -> String {
        let errors: Vec<_> = summary.errors.iter().map(|(code, count)| format!("{code} {count}")).collect();
        let errors = if errors.is_empty() { String::new() } else { format!(" ({})", errors.join(", ")) };
        let mut line = format!("{} images: {} ok, {} failed{errors}", summary.images, summary.ok, summary.failed);
        if self.images > 0 {
            let rate = self.images as f64 / self.seconds.max(1e-3);
            let cost = self.cpu_seconds * 1000.0 / self.images as f64;
            line += &format!(" · {rate:.1} images/s · {cost:.1} core-seconds per 1,000 images");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use batch::ErrorCode;

    #[test]
    fn the_line_says_what_failed_and_what_it_cost() {
        let mut summary = Summary { images: 250, ok: 248, failed: 2, ..Summary::default() };
        summary.errors.insert(ErrorCode::Undecodable, 2);
        let line = Effort { images: 250, seconds: 10.0, cpu_seconds: 5.0 }.line(&summary);
        assert_eq!(
            line,
            "250 images: 248 ok, 2 failed (undecodable 2) · 25.0 images/s · 20.0 core-seconds per 1,000 images"
        );
        assert!(!Effort { images: 0, seconds: 0.0, cpu_seconds: 0.0 }.line(&summary).contains("images/s"));
    }
}
