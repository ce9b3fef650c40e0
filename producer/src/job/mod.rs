//! `producer job`: the Kubernetes Job that works a batch off, printed for `kubectl apply`. It asks nobody: what is printed
//! follows from the flags alone.

mod args;
mod template;

use std::io::{self, Write};

pub use args::JobArgs;
use program::Failure;
use template::Template;

/// The Job that `kubectl apply -k` knows too.
const TEMPLATE: &str = include_str!("../../../k8s-jobs/base/worker-job.yaml");
/// What the name of the Job begins with; with a batch id of at most 50 bytes it stays a valid label (63).
const NAME: &str = "worker-";

/// Prints the Job.
pub fn run(args: &JobArgs) -> Result<(), Failure> {
    let job = job(args)?;
    let mut out = io::stdout().lock();
    write!(out, "# Works off batch {}. Printed by `producer job`.\n{job}", args.batch)?;
    Ok(out.flush()?)
}

fn job(args: &JobArgs) -> Result<Template, Failure> {
    let batch = args.batch.as_str();
    if batch.ends_with('-') {
        return Err(Failure::usage(format!(
            "batch {batch} cannot have a Job: names of Kubernetes end with a letter or digit; start its workers otherwise"
        )));
    }
    let backoff_limit = args.backoff_limit.unwrap_or_else(|| least_backoff_limit(args.parallelism));
    let command = ["run", "--queue", args.queue.as_str(), "--until-complete", "--batch", batch];
    let mut job = Template::new(TEMPLATE);
    let mut set = |path: &str, value: &str| job.set(path, value).map_err(Failure::usage);
    set("metadata.name", &quoted(format!("{NAME}{batch}")))?;
    set("metadata.namespace", &quoted(&args.namespace))?;
    set("spec.parallelism", &args.parallelism.to_string())?;
    set("spec.completions", &args.parallelism.to_string())?;
    set("spec.backoffLimit", &backoff_limit.to_string())?;
    set("spec.activeDeadlineSeconds", &args.deadline.to_string())?;
    set("spec.ttlSecondsAfterFinished", &args.ttl.to_string())?;
    set("spec.template.spec.containers.image", &quoted(&args.image))?;
    set("spec.template.spec.containers.resources.requests.cpu", &quoted(&args.cpu_request))?;
    set("spec.template.spec.containers.args", &format!("[{}]", command.map(quoted).join(", ")))?;
    Ok(job)
}

/// A text as YAML takes it for a text, whatever is in it. (Ids may look like numbers.)
fn quoted(text: impl AsRef<str>) -> String {
    serde_json::Value::from(text.as_ref()).to_string()
}

/// Failures that a Job survives: every pod may run out of memory twice.
fn least_backoff_limit(parallelism: u32) -> u32 {
    (2 * parallelism).max(20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn printed(args: &[&str]) -> Result<String, Failure> {
        let cli = Cli::try_parse_from([&["producer", "job"], args].concat());
        let Command::Job(args) = cli.map_err(Failure::usage)?.command else { panic!("another command") };
        Ok(job(&args)?.to_string())
    }

    /// The lines that are not those of the template, without their indentation.
    fn differences(job: &str) -> Vec<&str> {
        let template: Vec<_> = TEMPLATE.lines().skip_while(|line| line.starts_with('#')).collect();
        assert_eq!(job.lines().count(), template.len());
        job.lines().zip(template).filter(|(ours, theirs)| ours != theirs).map(|(line, _)| line.trim_start()).collect()
    }

    #[test]
    fn only_what_was_asked_for_differs_from_the_template() {
        let calm = "123 --queue images --image pixelmill --namespace pixelmill --cpu-request 1";
        let job = printed(&calm.split_whitespace().collect::<Vec<_>>()).unwrap();
        let args = r#"args: ["run", "--queue", "images", "--until-complete", "--batch", "123"]"#;
        // A text in quotes is the same as the text, but for ids that look like numbers.
        let quoted = [r#"namespace: "pixelmill""#, r#"image: "pixelmill""#];
        let expected = [r#"name: "worker-123""#, quoted[0], quoted[1], args];
        assert_eq!(differences(&job), expected);

        let flags = "b --parallelism 16 --image r.example:5000/p/pixelmill@sha256:00ff --queue q --namespace ns \
                     --deadline 60 --ttl 0 --cpu-request 250m";
        let job = printed(&flags.split_whitespace().collect::<Vec<_>>()).unwrap();
        let expected = [
            r#"name: "worker-b""#,
            r#"namespace: "ns""#,
            "parallelism: 16",
            "completions: 16",
            "backoffLimit: 32",
            "activeDeadlineSeconds: 60",
            "ttlSecondsAfterFinished: 0",
            r#"image: "r.example:5000/p/pixelmill@sha256:00ff""#,
            r#"args: ["run", "--queue", "q", "--until-complete", "--batch", "b"]"#,
            r#"cpu: "250m""#,
        ];
        assert_eq!(differences(&job), expected);
    }

    #[test]
    fn every_batch_gives_a_valid_name_or_is_refused() {
        let longest = "x".repeat(50);
        let job = printed(&[&longest]).unwrap();
        let name = differences(&job)[0].split('"').nth(1).unwrap();
        assert!(name.len() <= 63 && name.ends_with(&longest), "{name}");
        assert_eq!(printed(&["ends-"]).err().unwrap().code, Failure::USAGE);
    }

    #[test]
    fn slips_are_refused() {
        for args in [
            ["b", "--image", "a b"],
            ["b", "--image", ""],
            ["b", "--namespace", "A"],
            ["b", "--namespace", "-a"],
            ["b", "--parallelism", "0"],
            ["b", "--deadline", "0"],
            ["b", "--ttl", "3000000000"],
            ["b", "--cpu-request", "a lot"],
        ] {
            assert!(printed(&args).is_err(), "{args:?}");
        }
    }
}
