//! What failed: by code, in plain words, with what helps and with examples.

use maud::{Markup, html};

use super::figures::{bytes, count, duration, grouped, megapixels, percent};
use super::name::{Name, location, shortened};
use super::page;
use crate::manifest::Settings;
use crate::row::ErrorCode;
use crate::summary::{Example, Summary};

/// Characters of a message, and of a folder or file name.
const MESSAGE_LENGTH: usize = 500;
const NAME_LENGTH: usize = 300;

/// The section. Where nothing failed, it says so.
pub(super) fn section(summary: &Summary, settings: &Settings) -> Markup {
    let mut errors: Vec<_> = summary.errors.iter().map(|(code, images)| (*code, *images)).collect();
    // Stable: equal counts stay in the order of the codes.
    errors.sort_by_key(|(_, images)| std::cmp::Reverse(*images));
    let without_code = summary.failed.saturating_sub(errors.iter().map(|(_, images)| images).sum());
    let content = html! {
        @if summary.failed == 0 { p.nothing { "No image failed." } }
        @if summary.warnings > 0 {
            p.notice {
                strong { (count(summary.warnings, "image was", "images were")) " cut short" }
                " and classified by what is there of them, as the batch was asked to do. Their rows have a label and the \
                    code " code { (ErrorCode::Truncated) } "."
            }
        }
        @for (code, images) in errors {
            (kind(code, images, summary, settings))
        }
        @if without_code > 0 {
            p.notice { (count(without_code, "row", "rows")) " failed without a code; they were not written by pixelmill." }
        }
    };
    let explanation = if summary.failed == 0 {
        String::new()
    } else {
        format!(
            "{} of {} got no label. A failed image never stops the others.",
            grouped(summary.failed),
            count(summary.images, "image", "images")
        )
    };
    page::section("errors", "Errors", &explanation, content)
}

/// What a code means, and what helps: words, and the option to use where there is one.
struct Explanation {
    meaning: String,
    remedy: &'static str,
    option: Option<&'static str>,
}

fn kind(code: ErrorCode, images: u64, summary: &Summary, settings: &Settings) -> Markup {
    let Explanation { meaning, remedy, option } = explained(code, settings);
    let examples = summary.examples.get(&code).map_or(&[][..], Vec::as_slice);
    html! {
        article.error {
            header {
                h3 { code { (code) } }
                p { (count(images, "image", "images")) span.aside { (percent(images, summary.images)) } }
            }
            p {
                (meaning) " "
                span.remedy { (remedy) @if let Some(option) = option { " " code.option { (option) } } }
            }
            @if !examples.is_empty() {
                // Often a whole folder failed for one reason: that is said once.
                ul.examples { @for alike in examples.chunk_by(|a, b| a.message == b.message) { (rows(alike)) } }
            }
            @let more = images.saturating_sub(examples.len() as u64);
            @if more > 0 && !examples.is_empty() { p.aside { "and " (count(more, "more", "more")) } }
        }
    }
}

/// Examples that share their message.
fn rows(examples: &[Example]) -> Markup {
    html! {
        li {
            @if let Some(example) = examples.first() {
                p.message { (Name(&shortened(&example.message, MESSAGE_LENGTH))) }
            }
            @for example in examples { (location(&example.image, NAME_LENGTH)) }
        }
    }
}

fn explained(code: ErrorCode, settings: &Settings) -> Explanation {
    let plain = |meaning: &str, remedy| Explanation { meaning: meaning.to_owned(), remedy, option: None };
    let limit = |meaning, option| Explanation { meaning, remedy: "A new batch can allow more:", option: Some(option) };
    match code {
        ErrorCode::NotFound => plain(
            "There was nothing at this address when it was read.",
            "Check the spelling, and whether the file was moved or deleted since.",
        ),
        ErrorCode::Denied => {
            plain("Reading it was not allowed.", "Let the account that runs pixelmill read it, then retry the batch.")
        }
        ErrorCode::Changed => plain(
            "It was replaced after the batch had been made, so it is not the image that was asked for.",
            "Make a new batch for the new version.",
        ),
        ErrorCode::TooLarge => limit(
            format!("The file is larger than the {} that this batch allows.", bytes(settings.max_bytes)),
            "--max-bytes",
        ),
        ErrorCode::Unsupported => plain(
            "It is not an image, or of a format that is not read. Its content decides, not its name: JPEG, PNG, WebP, \
                GIF, BMP and TIFF are read.",
            "Convert it, or leave it out.",
        ),
        ErrorCode::Undecodable => plain(
            "It begins like an image, but what follows is damaged.",
            "If a viewer cannot open it either, take it again from where it came.",
        ),
        ErrorCode::Truncated => Explanation {
            option: Some("--on-truncated warn"),
            ..plain(
                "The file ends before the image does, as after an interrupted copy.",
                "Copy it again; or let a new batch classify what is there:",
            )
        },
        ErrorCode::TooManyPixels => limit(
            format!("The image has more than the {} that this batch allows.", megapixels(settings.max_pixels)),
            "--max-pixels",
        ),
        ErrorCode::FetchFailed => plain(
            "It could not be fetched, although that was tried again and again.",
            "See that its server works, then retry the batch.",
        ),
        ErrorCode::Timeout => limit(
            format!(
                "The work on it did not end within {}, even alone in a process of its own.",
                duration(settings.image_timeout_s.into())
            ),
            "--image-timeout",
        ),
        ErrorCode::Crashed => plain(
            "The work on it ended its process, twice, with no other image beside it.",
            "That is a fault of pixelmill: please report it with the image.",
        ),
        ErrorCode::ModelFailed => Explanation {
            option: Some("worker check"),
            ..plain("The image is fine, but the model gave no usable scores for it.", "Check the model package:")
        },
    }
}
