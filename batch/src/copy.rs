//! Image files of one batch for another.

use store::Store;

use crate::error::BatchError;
use crate::images::ImageFile;
use crate::layout::Layout;

/// Copies the image files that are not there yet. Their names are digests: what is there is the same.
pub async fn copy_images(store: &Store, from: &Layout, to: &Layout, files: &[ImageFile]) -> Result<(), BatchError> {
    for file in files {
        let (from, to) = (from.images(&file.file)?, to.images(&file.file)?);
        if store.head(&to).await?.is_some() {
            continue;
        }
        let reader = store.reader(&from).await?;
        let mut reader = reader.ok_or_else(|| BatchError::damaged(&from, "it is missing"))?;
        let mut writer = store.create_stream(&to).await?;
        while let Some(chunk) = reader.chunk().await? {
            writer.write(chunk).await?;
        }
        writer.finish().await?;
    }
    Ok(())
}
