//! `worker` as it ships, with the hooks by which a test file can order an engine to abort, hang or allocate.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::main()
}
