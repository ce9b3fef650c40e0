#![doc = include_str!("../README.md")]

use std::path::Path;
use std::process::ExitCode;

/// As the programs say it when they are called wrongly.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    match Path::new(&called).file_name().and_then(|name| name.to_str()) {
        Some("worker") => worker::main(),
        Some("producer") => producer::main(),
        _ => {
            use std::io::Write as _;
            let wanted = "pixelmill is two programs in one file: call it by a link named `worker` or `producer`";
            let _closed_terminal = writeln!(std::io::stderr(), "{wanted}");
            ExitCode::from(USAGE)
        }
    }
}
