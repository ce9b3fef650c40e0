//! The markers of open batches, of every queue.

use batch::{BatchId, Layout, QueueName};
use program::Failure;
use store::{Key, Store};

/// Every queue that has or had a batch; foreign folders are left out.
pub(crate) async fn queues(store: &Store) -> Result<Vec<QueueName>, Failure> {
    let folders = store.folders(&Key::new("queues")?).await?;
    Ok(folders.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The batches with a marker of `queue`; foreign names are left out.
pub(super) async fn open(store: &Store, queue: &QueueName) -> Result<Vec<BatchId>, Failure> {
    let prefix = Layout::markers(queue);
    let mut open = Vec::new();
    let mut listing = store.list(&prefix, None);
    while let Some(page) = listing.page().await? {
        open.extend(page.iter().filter_map(|key| key.as_str().strip_prefix(&prefix)?.parse().ok()));
    }
    Ok(open)
}

/// Removes the marker of a batch whose queue nobody knows any more.
pub(crate) async fn remove(store: &Store, id: &BatchId) -> Result<(), Failure> {
    for queue in queues(store).await? {
        store.delete(&Layout::marker(&queue, id)?).await?;
    }
    Ok(())
}
