//! A pipeline in its store: its runs, numbered without a gap; the names of their batches; the ledger of what they took.

use batch::{BatchId, EtlName, Layout};
use ledger::Ledger;
use program::Failure;
use serde::{Deserialize, Serialize};
use store::{Created, Store};

use super::run_file::Run;

/// Largest run object that is read: as a manifest, whose size it has.
const LARGEST_RUN: u64 = 64 << 20;
/// Largest note of a batch id.
const LARGEST_NAMED: u64 = 64 << 10;

/// The runs of one name.
pub(super) struct Pipeline {
    pub(super) store: Store,
    pub(super) name: EtlName,
    pub(super) layout: Layout,
    pub(super) ledger: Ledger,
}

/// Which run named a batch id, and under which name it was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) run: u64,
    pub(super) batch: BatchId,
}

impl Pipeline {
    pub(super) fn new(store: Store, name: &EtlName) -> Self {
        let layout = Layout::of_etl(name);
        let ledger = Ledger::new(store.clone(), format!("{}ledger/", layout.prefix()));
        Self { store, name: name.clone(), layout, ledger }
    }

    /// The number of the last run, 0 if there is none. Since there are no gaps, a few questions find it among any number.
    pub(super) async fn last(&self) -> Result<u64, Failure> {
        let (mut low, mut high) = (0, 1);
        while self.has(high).await? {
            (low, high) = (high, high * 2);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.has(middle).await? {
                true => low = middle,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// The last run up to `last` that is in the ledger. Runs enter it in order, so all before are too.
    pub(super) async fn last_in_ledger(&self, last: u64) -> Result<u64, Failure> {
        let mut run = last;
        while run > 0 && !self.ledger.has(run).await? {
            run -= 1;
        }
        Ok(run)
    }

    /// A run that is there.
    pub(super) async fn run(&self, run: u64) -> Result<Run, Failure> {
        let key = self.layout.etl_run(run)?;
        let text = self.store.get(&key, LARGEST_RUN).await?;
        Run::decode(&text.ok_or_else(|| Failure::usage(format!("{key} is missing; restore it")))?, &key)
    }

    /// Decides a run, if no other has its number yet.
    pub(super) async fn decide(&self, run: &Run) -> Result<Created, Failure> {
        Ok(self.store.create(&self.layout.etl_run(run.run)?, run.encode()?.into()).await?)
    }

    /// The run in the ledger that named `batch`.
    pub(super) async fn named(&self, batch: &BatchId) -> Result<Option<Named>, Failure> {
        let key = self.layout.etl_batch(batch)?;
        let Some(text) = self.store.get(&key, LARGEST_NAMED).await? else { return Ok(None) };
        let named = serde_json::from_slice(&text);
        Ok(Some(named.map_err(|error| Failure::usage(format!("{key} cannot be read: {error}")))?))
    }

    /// Notes the batch of a run, before the run enters the ledger.
    pub(super) async fn note(&self, run: &Run, batch: &BatchId) -> Result<(), Failure> {
        let named = Named { run: run.run, batch: batch.clone() };
        let text = serde_json::to_vec(&named).map_err(|error| Failure::unavailable(format!("encoding: {error}")))?;
        self.store.create(&self.layout.etl_batch(run.batch())?, text.into()).await?;
        Ok(())
    }

    async fn has(&self, run: u64) -> Result<bool, Failure> {
        Ok(self.store.head(&self.layout.etl_run(run)?).await?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::super::run_file::tests::run;
    use super::*;

    #[tokio::test]
    async fn the_last_run_is_found_among_any_number() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).await.unwrap();
        let pipeline = Pipeline::new(store, &"p".parse().unwrap());
        for last in 0..40 {
            assert_eq!(pipeline.last().await.unwrap(), last);
            let next = Run { run: last + 1, ..run("b") };
            assert_eq!(pipeline.decide(&next).await.unwrap(), Created::Now);
            assert_eq!(pipeline.decide(&next).await.unwrap(), Created::Before);
        }
    }
}
