//! A batch of sample photos: the same twelve again and again, each reference a row of its own.

use std::collections::BTreeSet;

use crate::cluster::{LIMIT, Scene, factor, samples};
use crate::kubectl::wait;

/// A batch in the cluster's store.
pub struct Batch {
    pub id: String,
    pub images: usize,
}

impl Scene {
    /// Makes a batch of so many photos (times the factor of this run); a task is a second of work or so.
    pub fn enqueue(&self, name: &str, images: usize) -> Batch {
        self.enqueue_with(name, images, &[])
    }

    /// The same, with more flags.
    pub fn enqueue_with(&self, name: &str, images: usize, flags: &[&str]) -> Batch {
        let names: Vec<String> = samples().into_iter().map(|(name, _)| name).collect();
        let uris = (0..images * factor()).map(|at| format!("s3://photos/tests/{}", names[at % names.len()]));
        self.enqueue_list(name, uris.collect(), flags)
    }

    /// A batch of these images.
    pub fn enqueue_list(&self, name: &str, uris: Vec<String>, flags: &[&str]) -> Batch {
        let id = self.unique(name);
        // The time limit also says when idle workers look for what the queue forgot.
        let usual = ["enqueue", "-", "--batch", &id, "--task-size", "12", "--task-timeout", "10"];
        self.produce_from(&[&usual, flags].concat(), &uris.join("\n"));
        Batch { id, images: uris.len() }
    }

    /// Numbers of the tasks whose parts are stored.
    pub fn parts(&self, batch: &Batch) -> BTreeSet<String> {
        self.keys(&format!("batches/{}/parts/", batch.id)).into_iter().collect()
    }

    /// Waits until some parts are there, so that what happens next happens in the middle.
    pub fn work_has_begun(&self, batch: &Batch) {
        wait("the first parts", LIMIT, || (self.parts(batch).len() > 2).then_some(()));
    }

    /// Waits until the batch is finished, by whoever is there.
    pub fn finished(&self, batch: &Batch) {
        let success = format!("batches/{}/_SUCCESS", batch.id);
        wait(&format!("{} is finished", batch.id), LIMIT, || (!self.keys(&success).is_empty()).then_some(()));
    }

    /// Each image has exactly one row; the marker is gone. Gives what `verify` says.
    pub fn verify(&self, batch: &Batch) -> String {
        let verified = self.produce(&["verify", &batch.id]);
        assert!(verified.contains("0 missing, 0 duplicate"), "{verified}");
        // As it writes numbers for people.
        let images = match batch.images {
            small @ 0..1000 => small.to_string(),
            large => format!("{},{:03}", large / 1000, large % 1000),
        };
        assert!(verified.contains(&format!(": {images} images,")), "{verified}");
        assert!(self.keys(&format!("queues/images/open/{}", batch.id)).is_empty(), "the marker is still there");
        verified
    }
}
