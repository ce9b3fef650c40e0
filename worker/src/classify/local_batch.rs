//! The batch of a folder: made on the first run, gone on with on every later one.

use std::path::Path;

use batch::input::{self, Input};
use batch::{BatchError, BatchId, FoundModel, ImageFile, ImageListWriter, Layout, Manifest, StoredBatch};
use program::Failure;
use store::Store;
use store::source::Sources;

use crate::cli::ClassifyArgs;

/// Opens the batch that lies alone in `directory`, or makes it there from the inputs. Another batch in the same place is
/// refused.
pub(super) async fn open(
    directory: &Path,
    args: &ClassifyArgs,
    model: &FoundModel,
    sources: &Sources,
) -> Result<StoredBatch, Failure> {
    let store = Store::open(&directory.to_string_lossy()).await?;
    let layout = Layout::alone();
    let inputs = args.inputs.iter().map(|input| Input::parse(input)).collect::<Result<Vec<_>, _>>()?;
    let filter = args.filter.filter()?;
    let request = Manifest {
        version: Manifest::VERSION,
        batch: name(directory),
        arguments: input::identity(&inputs, &filter)?,
        task_size: args.settings.task_size,
        settings: args.settings.settings(model.reference.clone()),
        queue: None,
        parent: None,
        etl: None,
        images: Vec::new(),
    };
    if let Some(stored) = StoredBatch::find(&store, layout.clone()).await? {
        stored.expect(&request)?;
        return Ok(stored);
    }
    store.probe().await?;
    let images = list(&store, &layout, input::list(inputs, filter, sources.clone())).await?;
    Ok(StoredBatch::create(&store, layout, &Manifest { images, ..request }).await?)
}

type Listing = tokio::sync::mpsc::Receiver<Result<batch::ImageRef, BatchError>>;

async fn list(store: &Store, layout: &Layout, mut images: Listing) -> Result<Vec<ImageFile>, BatchError> {
    let mut writer = ImageListWriter::new(store, layout);
    while let Some(image) = images.recv().await {
        writer.push(&image?).await?;
    }
    writer.finish().await
}

/// A batch id made of the folder's name, for the report's title.
fn name(directory: &Path) -> BatchId {
    let name = directory.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(50).collect();
    plain.trim_start_matches('-').parse().unwrap_or_else(|_| BatchId::local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_folder_gives_a_batch_id() {
        let cases =
            [("/tmp/Results 1", "results-1"), ("/", "local"), ("..", "local"), ("/tmp/.x", "x"), ("/ä", "local")];
        for (folder, id) in cases {
            assert_eq!(name(Path::new(folder)).as_str(), id, "{folder}");
        }
    }
}
