//! What is missing on the command line may also be given by a variable: clap names the option only.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, Error};

/// The same error; for options that are missing and have a variable, it names that too.
pub(crate) fn named(mut error: Error, mut command: Command) -> Error {
    command.build();
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) if error.kind() == clap::error::ErrorKind::MissingRequiredArgument => {
            missing
        }
        _ => return error,
    };
    let tips: Vec<StyledStr> = missing.iter().filter_map(|shown| tip(&command, shown)).collect();
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    error
}

/// Options of one name mean the same in all commands.
fn tip(command: &Command, shown: &str) -> Option<StyledStr> {
    let here = command.get_arguments().find(|argument| argument.to_string() == shown).and_then(Arg::get_env);
    match here {
        Some(variable) => {
            Some(format!("{shown} may be given by {} in the environment", variable.to_string_lossy()).into())
        }
        None => command.get_subcommands().find_map(|command| tip(command, shown)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    enum Probe {
        Look {
            #[arg(long, value_name = "URL", env = "PROBE_STORE_OF_A_TEST")]
            store: String,
            #[arg(long, value_name = "N")]
            count: u32,
        },
    }

    #[test]
    fn a_missing_option_is_named_with_its_variable() {
        let error = Probe::try_parse_from(["probe", "look"]).expect_err("both options are missing");
        let said = named(error, Probe::command()).to_string();
        assert!(said.contains("--store <URL>") && said.contains("--count <N>"), "{said}");
        assert_eq!(said.matches("tip: ").count(), 1, "{said}");
        assert!(said.contains("tip: --store <URL> may be given by PROBE_STORE_OF_A_TEST in the environment"), "{said}");
        let error = Probe::try_parse_from(["probe", "look", "--no"]).expect_err("there is no such option");
        assert!(!named(error, Probe::command()).to_string().contains("PROBE_STORE"));
    }
}
