#![doc = include_str!("../README.md")]

mod args;
mod aside;
mod error;
mod finish;
mod ids;
mod image;
mod images;
pub mod input;
mod layout;
mod manifest;
mod missing;
mod parent;
mod parquet;
mod part;
mod report;
mod row;
mod run;
mod stored;
mod summary;

pub use args::{FilterArgs, SettingsArgs, parse_size};
pub use aside::set_aside;
pub use error::BatchError;
pub use finish::{Finisher, Progress};
pub use ids::{BatchId, InvalidId, QueueName};
pub use image::{ImageRef, InvalidImage, LARGEST_IMAGE_REFERENCE};
pub use images::{IMAGES_PER_FILE, ImageFile, ImageList, ImageListWriter};
pub use layout::Layout;
pub use manifest::{Manifest, ManifestError, ModelRef, Parent, Settings, TruncationPolicy};
pub use missing::missing_tasks;
pub use parent::ParentRows;
pub use part::{Part, PartError};
pub use report::{Report, render};
pub use row::{ErrorCode, Label, Outcome, Row, RowError, Status};
pub use run::{RunNotes, Session};
pub use stored::{FoundModel, State, StoredBatch};
pub use summary::{Example, Summary, Uncertain};
