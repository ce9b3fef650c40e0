//! `worker`: see the crate's documentation and `worker --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::main()
}
