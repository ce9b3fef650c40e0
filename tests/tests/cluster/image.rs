//! The image that `k8s-jobs/build-image` wrote: small, without a shell, and it says what is in it.

use std::process::Command;

use serde_json::Value;

use crate::cluster::root;
use crate::kubectl::text;

/// Bytes of all files of the image.
const LIMIT: usize = 40_000_000;

/// A file of an archive.
fn member(archive: &str, name: &str) -> Vec<u8> {
    let output = Command::new("tar").args(["-xOf", archive, name]).output().unwrap();
    assert!(output.status.success(), "{archive} {name}: {}", text(&output.stderr));
    output.stdout
}

#[test]
fn the_image_is_small_and_has_nothing_but_the_programs() {
    let archive = root().join("target/pixelmill.tar");
    assert!(archive.exists(), "k8s-jobs/build-image makes {}", archive.display());
    let archive = archive.to_str().unwrap();
    let manifest: Value = serde_json::from_slice(&member(archive, "manifest.json")).unwrap();
    let config: Value = serde_json::from_slice(&member(archive, manifest[0]["Config"].as_str().unwrap())).unwrap();
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.revision"].as_str().map(str::len), Some(40));

    let layers = manifest[0]["Layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1, "one layer on nothing");
    let layer = member(archive, layers[0].as_str().unwrap());
    assert!(layer.len() <= LIMIT, "{} bytes", layer.len());

    let unpacked = tempfile::tempdir().unwrap();
    let file = unpacked.path().join("layer.tar");
    std::fs::write(&file, &layer).unwrap();
    let file = file.to_str().unwrap();
    let names = text(&Command::new("tar").args(["-tf", file]).output().unwrap().stdout);
    let mut files: Vec<&str> = names.lines().filter(|name| !name.ends_with('/')).collect();
    files.sort_unstable();
    let expected = [
        "etc/ssl/certs/ca-certificates.crt",
        "usr/local/bin/producer",
        "usr/local/bin/worker",
        "usr/share/pixelmill/sbom.json",
    ];
    assert_eq!(files, expected);
    let sbom: Value = serde_json::from_slice(&member(file, "usr/share/pixelmill/sbom.json")).unwrap();
    for part in ["tract-onnx", "lapin", "aws-sdk-s3"] {
        let components = sbom["components"].as_array().unwrap();
        let found = components.iter().find(|component| component["name"] == part);
        assert!(found.is_some_and(|found| found["version"].is_string()), "{part} is not in the SBOM");
    }
    assert!(!sbom.to_string().contains(root().to_str().unwrap()), "the SBOM names a folder of the build machine");
}
