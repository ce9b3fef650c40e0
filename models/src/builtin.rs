//! The built-in package, compiled into the binary so that it works anywhere.

use miniz_oxide::inflate::decompress_to_vec_zlib;

use crate::digest::Digest;

/// Name and contents of every file of the built-in package (`cifar10/package`) but the graph.
const TEXTS: [(&str, &[u8]); 3] = [
    ("golden.jsonl", include_bytes!("../cifar10/package/golden.jsonl")),
    ("labels.txt", include_bytes!("../cifar10/package/labels.txt")),
    ("model.toml", include_bytes!("../cifar10/package/model.toml")),
];

/// The graph, packed by the build script.
const GRAPH: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/model.onnx.zlib"));

/// Contents of a file of text; none if there is no such file.
pub(crate) fn text(name: &str) -> String {
    let bytes = TEXTS.iter().find(|(file, _)| *file == name).map_or(&[][..], |(_, bytes)| bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

/// `model.onnx`.
pub(crate) fn graph() -> Vec<u8> {
    // What the build packed can be unpacked; if it could not, the graph would be refused as empty.
    decompress_to_vec_zlib(GRAPH).unwrap_or_default()
}

/// The digest of the package.
pub(crate) fn digest() -> Digest {
    let graph = Digest::from_bytes(*include_bytes!(concat!(env!("OUT_DIR"), "/model.onnx.sha256")));
    let texts = TEXTS.map(|(name, bytes)| (name, Digest::of(bytes)));
    Digest::of_files(texts.into_iter().chain([("model.onnx", graph)]))
}
