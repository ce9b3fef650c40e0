//! The built-in package, compiled into the binary so that it works anywhere.

/// Name and contents of every file of the built-in package (`cifar10/package`).
pub(crate) const FILES: [(&str, &[u8]); 4] = [
    ("golden.jsonl", include_bytes!("../cifar10/package/golden.jsonl")),
    ("labels.txt", include_bytes!("../cifar10/package/labels.txt")),
    ("model.onnx", include_bytes!("../cifar10/package/model.onnx")),
    ("model.toml", include_bytes!("../cifar10/package/model.toml")),
];
