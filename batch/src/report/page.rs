//! The page as a whole: its head with the policy that forbids every request, and its sections in the order one reads them.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Report, classes, confidence, errors, overview, ran, sizes, uncertain};

/// Nothing may be loaded, sent or run: styles are in the page, images are data.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
const STYLE: &str = concat!(include_str!("style.css"), include_str!("charts.css"));

/// The whole document.
pub(super) fn page(report: &Report<'_>) -> Markup {
    let summary = report.summary;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (report.manifest.batch) " – pixelmill report" }
                // Without it, a browser asks the server of the page for one.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.top { (overview::masthead(report)) }
                main {
                    (overview::figures(report))
                    @if summary.ok > 0 {
                        (classes::section(summary))
                        (confidence::section(summary))
                        (uncertain::section(summary, report.thumbnails))
                    }
                    @if summary.images > 0 {
                        (errors::section(summary, &report.manifest.settings))
                        @if summary.bytes > 0 || summary.pixels > 0 { (sizes::section(summary)) }
                    }
                    (ran::section(report))
                }
                footer {
                    p {
                        "Every image of the batch has exactly one row in " code { "results-*.parquet" }
                        "; the counts on this page are those of " code { "summary.json" } "."
                    }
                    p { "This page is one file: it runs no scripts and loads nothing." }
                }
            }
        }
    }
}

/// A section: its heading with a line of explanation, and beside or below it what it shows.
pub(super) fn section(id: &str, heading: &str, explanation: &str, content: Markup) -> Markup {
    html! {
        section aria-labelledby=(id) {
            div.heading {
                h2 id=(id) { (heading) }
                @if !explanation.is_empty() { p { (explanation) } }
            }
            div.content { (content) }
        }
    }
}
