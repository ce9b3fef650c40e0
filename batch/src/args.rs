//! The flags that make a batch, the same for every program that makes one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use store::Options;

use crate::error::BatchError;
use crate::input::Filter;
use crate::manifest::{ModelRef, Settings, TruncationPolicy};
use crate::model::ModelCache;

/// What can change a row, as flags.
#[derive(Args, Clone, Debug)]
pub struct SettingsArgs {
    /// Labels per row
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub top_k: u32,
    /// Images per task (and per result object)
    #[arg(long, value_name = "IMAGES", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub task_size: u32,
    /// Largest file, e.g. 64MiB; larger ones become error rows
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    pub max_bytes: u64,
    /// Largest image in pixels, e.g. 100M; larger ones become error rows
    #[arg(long, value_name = "PIXELS", default_value = "100M", value_parser = parse_size)]
    pub max_pixels: u64,
    /// Seconds of work on one image before it becomes an error row
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub image_timeout: u32,
    /// Seconds of work on one task; idle workers wait twice as long before they take a task that the queue forgot
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=7200))]
    pub task_timeout: u32,
    /// What becomes of an image whose file ends too early
    #[arg(long, value_name = "WHAT", default_value = "error")]
    pub on_truncated: OnTruncated,
}

/// What becomes of an image whose file ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnTruncated {
    /// An error row, code `truncated`
    Error,
    /// Classify what is there, and keep the code as a warning
    Warn,
}

/// Which of the listed files to take, as flags.
#[derive(Args, Clone, Debug, Default)]
pub struct FileArgs {
    /// Take only these file name extensions from folders, globs and prefixes (repeat, or separate by commas)
    #[arg(long = "ext", value_name = "EXT", value_delimiter = ',')]
    pub extensions: Vec<String>,
    /// Take only files of at least this size
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub min_size: Option<u64>,
    /// Take only files of at most this size
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_size: Option<u64>,
}

/// Which of the listed files to take, as flags, with the times between which they were modified.
#[derive(Args, Clone, Debug, Default)]
pub struct FilterArgs {
    /// Kinds and sizes.
    #[command(flatten)]
    pub files: FileArgs,
    /// Take only files modified at or after this time (RFC 3339, e.g. 2026-11-23T00:00:00Z, or a day, in UTC)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub modified_since: Option<jiff::Timestamp>,
    /// Take only files modified before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub modified_until: Option<jiff::Timestamp>,
}

/// Where model packages from S3 are kept.
#[derive(Args, Clone, Debug)]
pub struct ModelCacheArgs {
    /// Keep model packages from s3:// in this directory; processes may share it [default: ~/.cache/pixelmill/models]
    #[arg(long, value_name = "DIR", env = "PIXELMILL_MODEL_CACHE")]
    pub model_cache: Option<PathBuf>,
    /// Most bytes of model packages that are kept; those that were not used for the longest time go first
    #[arg(long, value_name = "SIZE", env = "PIXELMILL_MODEL_CACHE_SIZE", default_value = "10GiB", value_parser = parse_size)]
    pub model_cache_size: u64,
}

impl ModelCacheArgs {
    /// The cache; `options` say how S3 is reached.
    pub fn cache(&self, options: Options) -> ModelCache {
        let directory = self.model_cache.clone().unwrap_or_else(default_model_cache);
        ModelCache::new(directory, self.model_cache_size, options)
    }
}

/// Where programs of a user keep what can be had again; a user without a home has a place among the temporary files.
fn default_model_cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("pixelmill").join("models")
}

impl SettingsArgs {
    /// The settings of a batch, with `model`.
    pub fn settings(&self, model: ModelRef) -> Settings {
        Settings {
            model,
            top_k: self.top_k,
            max_bytes: self.max_bytes,
            max_pixels: self.max_pixels,
            on_truncated: match self.on_truncated {
                OnTruncated::Error => TruncationPolicy::Error,
                OnTruncated::Warn => TruncationPolicy::Warn,
            },
            image_timeout_s: self.image_timeout,
            task_timeout_s: self.task_timeout,
        }
    }
}

impl FilterArgs {
    /// The filter that these flags describe.
    pub fn filter(&self) -> Result<Filter, BatchError> {
        Ok(self.files.filter(self.modified_since, self.modified_until))
    }
}

impl FileArgs {
    /// The filter that these flags describe, with the times between which a file was modified.
    pub fn filter(&self, since: Option<jiff::Timestamp>, until: Option<jiff::Timestamp>) -> Filter {
        let extension = |extension: &String| extension.trim_start_matches('.').to_ascii_lowercase();
        let extensions = self.extensions.iter().map(extension).collect();
        Filter { extensions, min_bytes: self.min_size, max_bytes: self.max_size, since, until }
    }
}

/// Parses a time of RFC 3339, or a day, which means its beginning in UTC.
pub fn parse_time(text: &str) -> Result<jiff::Timestamp, String> {
    let day = |text: &str| text.parse::<jiff::civil::Date>()?.to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let is_day = text.len() == "2026-11-23".len();
    let time = if is_day { day(text).map(|zoned| zoned.timestamp()) } else { text.parse() };
    time.map_err(|_| format!("{text:?} is no time; write e.g. 2026-11-23 or 2026-11-23T06:00:00Z"))
}

/// Parses `123`, `64k`, `64KiB`, `100M`, `1.5G`, …: powers of 1,000, or of 1,024 with an `i`; a final `B` is allowed.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size; write e.g. 500000, 500k, 64MiB or 1.5G");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (power, base): (i32, f64) = match unit {
        "" => (0, 1000.0),
        "k" => (1, 1000.0),
        "m" => (2, 1000.0),
        "g" => (3, 1000.0),
        "ki" => (1, 1024.0),
        "mi" => (2, 1024.0),
        "gi" => (3, 1024.0),
        _ => return Err(wrong()),
    };
    let size = number * base.powi(power);
    if (1.0..1e18).contains(&size) { Ok(size as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments_or_days() {
        let seconds = |text: &str| parse_time(text).map(|time| time.as_second());
        assert_eq!(seconds("1970-01-02"), Ok(86_400));
        assert_eq!(seconds("1970-01-01T01:00:00+01:00"), Ok(0));
        for text in ["", "1970-13-01", "yesterday", "1970-01-01T00:00:00", "12"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        for (text, size) in
            [("1", 1), ("500k", 500_000), ("64MiB", 64 << 20), ("100M", 100_000_000), ("1.5G", 1_500_000_000)]
        {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in ["", "0", "-1", "1x", "MiB", "1e3", "..", "99999999999G"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
