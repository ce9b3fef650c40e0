//! Packs the graph of the built-in model: as it is, it would be a sixth of the binary. Its digest is taken here, so that
//! nobody has to unpack it to know that another model is wanted.

use std::path::Path;
use std::{env, error::Error, fs};

use sha2::{Digest, Sha256};

const GRAPH: &str = "cifar10/package/model.onnx";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={GRAPH}");
    let (graph, out) = (fs::read(GRAPH)?, env::var("OUT_DIR")?);
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&graph, 9);
    fs::write(Path::new(&out).join("model.onnx.zlib"), packed)?;
    fs::write(Path::new(&out).join("model.onnx.sha256"), Sha256::digest(&graph))?;
    Ok(())
}
