//! `producer` as it ships, with the failpoints at which a test can end it.

use std::process::ExitCode;

fn main() -> ExitCode {
    producer::main()
}
