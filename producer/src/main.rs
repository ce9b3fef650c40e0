//! `producer`: see the crate's documentation and `producer --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    producer::main()
}
