//! Any bytes as `manifest.json`: refused with a sentence, or a manifest that is written as it was read and whose tasks
//! cover its images.

#![no_main]

use batch::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let manifest = match Manifest::decode(bytes) {
        Ok(manifest) => manifest,
        Err(error) => return assert!(error.to_string().starts_with("manifest.json")),
    };
    let again = Manifest::decode(&manifest.encode().unwrap()).unwrap();
    assert_eq!(again, manifest);
    assert_eq!(manifest.same_request(&again), Ok(()));
    let (images, tasks) = (manifest.image_count(), manifest.task_count());
    assert_eq!(manifest.task_images(tasks.saturating_sub(1)).end, images);
    assert!(manifest.task_images(tasks).is_empty() && manifest.task_images(u64::MAX).is_empty());
});
