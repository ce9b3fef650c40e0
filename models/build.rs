//! Packs the graph of the built-in model: as it is, it would be a sixth of the binary.

use std::path::Path;
use std::{env, error::Error, fs};

const GRAPH: &str = "cifar10/package/model.onnx";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={GRAPH}");
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&fs::read(GRAPH)?, 9);
    fs::write(Path::new(&env::var("OUT_DIR")?).join("model.onnx.zlib"), packed)?;
    Ok(())
}
