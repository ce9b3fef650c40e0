//! `producer status`: how far a batch is, once or until it ends.

mod facts;
mod pace;
mod queue_look;
mod tally;
mod watch;

use std::io::{self, Write};

use batch::{BatchId, State, StoredBatch};
use program::Failure;

use crate::cli::StatusArgs;
use crate::formats::Shape;
use facts::Facts;
use pace::Pace;
use queue_look::QueueLook;
use tally::Tally;
use watch::Display;

/// Prints how far the batch is; with `--watch` again and again until it is finished or cancelled.
pub async fn run(args: &StatusArgs) -> Result<(), Failure> {
    let batch = args.store.batch(&args.batch).await?;
    let mut status = Status::open(args, &batch).await?;
    let facts = status.look().await?;
    if !args.watch || facts.state != State::Open {
        return print(args.format, &facts);
    }
    let display = Display::new(args.format, facts.images.total);
    let mut facts = facts;
    while facts.state == State::Open {
        display.show(&facts)?;
        tokio::time::sleep(std::time::Duration::from_secs(args.interval.into())).await;
        facts = status.look().await?;
    }
    display.end();
    print(args.format, &facts)
}

fn print(shape: Shape, facts: &Facts) -> Result<(), Failure> {
    let text = match shape {
        Shape::Table => facts.text(),
        Shape::Json => facts.json()?,
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// One look after the other at the same batch; each reads only what is new.
struct Status<'a> {
    args: &'a StatusArgs,
    batch: &'a StoredBatch,
    tally: Tally<'a>,
    queue: Option<QueueLook>,
    pace: Pace,
}

impl<'a> Status<'a> {
    async fn open(args: &'a StatusArgs, batch: &'a StoredBatch) -> Result<Self, Failure> {
        let tally = Tally::new(batch, !args.counts_only).await?;
        let queue =
            batch.manifest.queue.as_ref().map(|name| QueueLook::new(args.broker.broker()?, name)).transpose()?;
        Ok(Self { args, batch, tally, queue, pace: Pace::default() })
    }

    async fn look(&mut self) -> Result<Facts, Failure> {
        // The state first: what is finished does not lose parts between the two looks.
        let state = self.batch.state().await?;
        self.tally.update().await?;
        let manifest = &self.batch.manifest;
        let tally = &self.tally;
        if self.args.watch {
            self.pace.note(tally.images());
        }
        let left = manifest.image_count() - tally.images();
        let rate = self.pace.rate().filter(|_| state == State::Open);
        let queue = match &mut self.queue {
            Some(queue) if state == State::Open => Some(queue.look().await),
            _ => None,
        };
        let parent: Option<BatchId> = manifest.parent.as_ref().map(|parent| parent.batch.clone());
        Ok(Facts {
            batch: manifest.batch.clone(),
            state,
            model: manifest.settings.model.id.clone(),
            parent,
            tasks: facts::Done { total: manifest.task_count(), done: tally.tasks() },
            images: facts::Done { total: manifest.image_count(), done: tally.images() },
            rows: tally.rows().cloned(),
            damaged_parts: tally.damaged(),
            queue,
            rate,
            eta_seconds: rate.filter(|rate| *rate > 0.0).map(|rate| left as f64 / rate),
            run: if state == State::Finished { facts::Run::of(self.batch).await? } else { None },
        })
    }
}
