//! What is left to do: the tasks of a batch that have no part yet.

use store::{Store, StoreError};

use crate::layout::Layout;

/// The first `most` tasks without a part among `from..count`, in order. Reads no more of the listing than needed, so a
/// caller that remembers the lowest gap and asks for few lists little.
pub async fn missing_tasks(
    store: &Store,
    layout: &Layout,
    tasks: std::ops::Range<u64>,
    most: usize,
) -> Result<Vec<u64>, StoreError> {
    let mut missing = Vec::new();
    let mut expected = tasks.start;
    let before = tasks.start.checked_sub(1).map(|task| layout.part(task)).transpose()?;
    let mut listing = store.list(&layout.parts(), before.as_ref().map(|key| key.as_str()));
    while let Some(page) = listing.page().await? {
        for task in page.iter().filter_map(|key| layout.task_of_part(key.as_str())) {
            let gap = expected..task.min(tasks.end);
            missing.extend(gap.take(most - missing.len()));
            if missing.len() == most || task >= tasks.end {
                return Ok(missing);
            }
            expected = expected.max(task + 1);
        }
    }
    missing.extend((expected..tasks.end).take(most - missing.len()));
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finds_gaps_at_both_ends_and_between() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().to_str().unwrap()).await.unwrap();
        let layout = Layout::of(&"b".parse().unwrap());
        for task in [1, 2, 5, 12] {
            store.create(&layout.part(task).unwrap(), "x".into()).await.unwrap();
        }
        store.create(&layout.note("00000003.jsonl").unwrap(), "x".into()).await.unwrap();
        let find = async |tasks, most| missing_tasks(&store, &layout, tasks, most).await.unwrap();
        assert_eq!(find(0..8, 100).await, [0, 3, 4, 6, 7]);
        assert_eq!(find(0..8, 2).await, [0, 3]);
        assert_eq!(find(3..6, 100).await, [3, 4]);
        assert_eq!(find(1..3, 100).await, [0; 0]);
        assert_eq!(find(0..13, 1).await, [0]);
        assert_eq!(find(13..15, 9).await, [13, 14]);
    }
}
