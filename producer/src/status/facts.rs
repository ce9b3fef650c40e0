//! What `status` knows at one look, for people and for programs.

use std::fmt::Write;

use batch::{BatchId, RunNotes, State, StoredBatch};
use program::Failure;
use serde::Serialize;

use super::queue_look::QueueState;
use super::tally::Rows;
use crate::display::{count, counted, duration};

/// Largest run.json that is read, in bytes.
const LARGEST_RUN: u64 = 64 << 20;

/// What is known at one look.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Facts {
    pub(super) batch: BatchId,
    pub(super) state: State,
    pub(super) model: String,
    pub(super) parent: Option<BatchId>,
    pub(super) tasks: Done,
    pub(super) images: Done,
    /// Rows of the tasks that are done, by outcome.
    pub(super) rows: Option<Rows>,
    pub(super) damaged_parts: u64,
    pub(super) queue: Option<QueueState>,
    /// Images per second, while watching.
    pub(super) rate: Option<f64>,
    pub(super) eta_seconds: Option<f64>,
    pub(super) run: Option<Run>,
}

/// So much of so much.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Done {
    pub(super) total: u64,
    pub(super) done: u64,
}

/// How a finished batch went.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    /// Processes that left a note; one that was killed left none.
    pub(super) sessions: usize,
    /// Seconds during which at least one process worked.
    pub(super) busy_seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) images: u64,
}

impl Run {
    /// From `run.json`, which is best effort.
    pub(super) async fn of(batch: &StoredBatch) -> Result<Option<Self>, Failure> {
        let text = batch.store().get(&batch.layout().run()?, LARGEST_RUN).await?;
        let notes: Option<RunNotes> = text.and_then(|text| serde_json::from_slice(&text).ok());
        Ok(notes.filter(|notes| !notes.sessions.is_empty()).map(|notes| Self {
            sessions: notes.sessions.len(),
            busy_seconds: notes.busy_seconds(),
            cpu_seconds: notes.cpu_seconds(),
            images: notes.images(),
        }))
    }
}

impl Facts {
    /// One JSON object and a line end.
    pub(super) fn json(&self) -> Result<String, Failure> {
        let text = serde_json::to_string(self).map_err(|error| Failure::unavailable(format!("encoding: {error}")))?;
        Ok(text + "\n")
    }

    /// A block of lines for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _infallible = writeln!(text, "{name:<8}{value}");
        };
        line("batch", self.batch.to_string());
        line("state", format!("{:?}", self.state).to_lowercase());
        line("model", self.model.clone());
        if let Some(parent) = &self.parent {
            line("parent", parent.to_string());
        }
        line("images", self.image_line());
        if let Some(errors) = self.error_line() {
            line("failed", errors);
        }
        line("tasks", format!("{} of {} done", count(self.tasks.done), count(self.tasks.total)));
        if self.damaged_parts > 0 {
            line("damaged", format!("{}: see `producer verify`", counted(self.damaged_parts, "part")));
        }
        if let Some(queue) = self.queue_line() {
            line("queue", queue);
        }
        if let Some(rate) = self.rate_line() {
            line("rate", rate);
        }
        if let Some(run) = &self.run {
            let rate = run.images as f64 / run.busy_seconds.max(1e-3);
            let cost = run.cpu_seconds * 1000.0 / run.images.max(1) as f64;
            let (time, many) = (duration(run.busy_seconds), counted(run.sessions as u64, "session"));
            line("took", format!("{time}, {rate:.1} images/s, {many}, {cost:.1} core-seconds per 1,000 images"));
        }
        text
    }

    /// `3,200 of 5,000 done (64.0 %): 3,180 ok, 20 failed`
    pub(super) fn image_line(&self) -> String {
        let Done { total, done } = self.images;
        let share = if total == 0 { 100.0 } else { done as f64 * 100.0 / total as f64 };
        let mut line = format!("{} of {} done ({share:.1} %)", count(done), count(total));
        if let Some(rows) = &self.rows {
            line += &format!(": {} ok, {} failed", count(rows.ok), count(rows.failed));
        }
        line
    }

    /// `undecodable 12, truncated 8`
    pub(super) fn error_line(&self) -> Option<String> {
        let errors = &self.rows.as_ref()?.errors;
        let errors: Vec<_> = errors.iter().map(|(code, number)| format!("{code} {}", count(*number))).collect();
        (!errors.is_empty()).then(|| errors.join(", "))
    }

    /// `images: 12 waiting, 3 consumers, 0 dead letters`
    pub(super) fn queue_line(&self) -> Option<String> {
        let queue = self.queue.as_ref()?;
        Some(match (queue.waiting, queue.consumers, queue.dead_letters, &queue.error) {
            (Some(waiting), Some(consumers), Some(dead), None) => {
                let [waiting, dead] = [waiting, dead].map(u64::from);
                format!(
                    "{}: {} waiting, {}, {}",
                    queue.name,
                    count(waiting),
                    counted(consumers.into(), "consumer"),
                    counted(dead, "dead letter")
                )
            }
            (.., error) => format!("{}: {}", queue.name, error.as_deref().unwrap_or("says nothing")),
        })
    }

    /// `41.2 images/s, 44 s left`
    pub(super) fn rate_line(&self) -> Option<String> {
        let left = match self.eta_seconds {
            Some(seconds) => format!("{} left", duration(seconds)),
            None => "no end in sight".into(),
        };
        Some(format!("{:.1} images/s, {left}", self.rate?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use batch::ErrorCode;

    #[test]
    fn people_and_programs_see_the_same() {
        let facts = Facts {
            batch: "photos".parse().unwrap(),
            state: State::Open,
            model: "m@d".into(),
            parent: None,
            tasks: Done { total: 79, done: 50 },
            images: Done { total: 5000, done: 3200 },
            rows: Some(Rows { ok: 3180, failed: 20, errors: [(ErrorCode::Truncated, 20)].into() }),
            damaged_parts: 0,
            queue: Some(QueueState {
                name: "images".into(),
                waiting: Some(12),
                consumers: Some(1),
                dead_letters: Some(0),
                error: None,
            }),
            rate: Some(45.0),
            eta_seconds: Some(40.0),
            run: None,
        };
        let lines = "\
batch   photos
state   open
model   m@d
images  3,200 of 5,000 done (64.0 %): 3,180 ok, 20 failed
failed  truncated 20
tasks   50 of 79 done
queue   images: 12 waiting, 1 consumer, 0 dead letters
rate    45.0 images/s, 40 s left
";
        assert_eq!(facts.text(), lines);
        let json: serde_json::Value = serde_json::from_str(&facts.json().unwrap()).unwrap();
        assert_eq!(json["images"]["done"], 3200);
        assert_eq!(json["rows"]["errors"]["truncated"], 20);
        assert_eq!(json["queue"]["dead_letters"], 0);
        assert_eq!(json["state"], "open");
    }
}
