//! `fill-batch STORE BATCH FROM`: gives every task of a batch its part, with the rows that the same images have in the finished
//! batch FROM. For measuring what is done with a batch of a million images without classifying a million.

use std::collections::HashMap;

use anyhow::{Context, Result};
use batch::{BatchId, Layout, Part, Row, StoredBatch};
use futures::{StreamExt, TryStreamExt, stream};
use store::Store;

const AT_A_TIME: usize = 32;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, batch, from] = &arguments[..] else { anyhow::bail!("usage: fill-batch STORE BATCH FROM") };
    let store = Store::open(store).await?;
    let rows = rows(&find(&store, from).await?).await?;
    let batch = find(&store, batch).await?;
    let tasks = stream::iter(0..batch.manifest.task_count());
    let fill = |task| fill(&batch, &rows, task);
    tasks.map(fill).buffer_unordered(AT_A_TIME).try_collect::<()>().await
}

async fn find(store: &Store, id: &str) -> Result<StoredBatch> {
    let id: BatchId = id.parse()?;
    StoredBatch::find(store, Layout::of(&id)).await?.with_context(|| format!("there is no batch {id}"))
}

async fn rows(batch: &StoredBatch) -> Result<HashMap<String, Row>> {
    let mut rows = HashMap::new();
    for task in 0..batch.manifest.task_count() {
        let (_, part) = batch.part(task).await?;
        rows.extend(part.rows.into_iter().map(|row| (row.image.clone(), row)));
    }
    Ok(rows)
}

async fn fill(batch: &StoredBatch, rows: &HashMap<String, Row>, task: u64) -> Result<()> {
    let images = batch.images.read(batch.manifest.task_images(task)).await?;
    let row = |image: &batch::ImageRef| {
        let row = rows.get(&image.uri).with_context(|| format!("{} was not classified before", image.uri))?;
        Ok(Row { id: image.id.clone(), ..row.clone() })
    };
    let part = Part { rows: images.iter().map(row).collect::<Result<_>>()? };
    batch.store_part(task, &part).await?;
    Ok(())
}
