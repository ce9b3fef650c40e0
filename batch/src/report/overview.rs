//! The top of the page: which batch, how it ended, and the five figures that one asks for first.

use maud::{Markup, html};

use super::Report;
use super::figures::{count, day, duration, grouped, percent, ratio, rounded};
use super::name::Name;

/// Characters of a figure from which on it is set smaller, so that hundreds of millions fit on a phone.
const LONG: usize = 9;

/// Name, state, and one sentence: what, with which model, when.
pub(super) fn masthead(report: &Report<'_>) -> Markup {
    let (state, tone) = state(report);
    let model = report.manifest.settings.model.id.split('@').next().unwrap_or_default();
    html! {
        p.brand {
            svg.mark viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" {
                path d="M0 0h6v6H0zM7 7h6v6H7zM14 0h6v6h-6zM0 14h6v6H0z" {}
                path.light d="M7 0h6v6H7zM0 7h6v6H0zM14 7h6v6h-6zM7 14h6v6H7zM14 14h6v6h-6z" {}
            }
            "pixelmill"
            span.kind { "batch report" }
        }
        h1 { (report.manifest.batch) }
        p.lede {
            span.state.{ (tone) } { (state) }
            span {
                (count(report.summary.images, "image", "images")) ", model " strong { (Name(model)) }
                @if let Some((started, _)) = report.notes.span() {
                    ", " time datetime=(started) { (day(started)) }
                }
            }
        }
        @if report.cancelled {
            p.notice {
                strong { "This batch was cancelled." }
                " The figures cover the " (grouped(report.summary.images)) " of "
                (count(report.manifest.image_count(), "image", "images")) " that were done until then."
            }
        }
    }
}

fn state(report: &Report<'_>) -> (&'static str, &'static str) {
    let summary = report.summary;
    match () {
        () if report.cancelled => ("Cancelled", "warned"),
        () if summary.images == 0 => ("Empty", "plain"),
        () if summary.ok == 0 => ("All failed", "failed"),
        () if summary.failed > 0 => ("Complete, with errors", "warned"),
        () => ("Complete", "good"),
    }
}

/// The figures, and how the images divide into classified and failed.
pub(super) fn figures(report: &Report<'_>) -> Markup {
    let (summary, notes) = (report.summary, report.notes);
    if summary.images == 0 {
        return html! {
            p.nothing { "This batch has no images, so there is nothing to show but how it was asked for." }
        };
    }
    let (worked, busy) = (notes.images(), notes.busy_seconds());
    html! {
        dl.figures {
            (figure("Images", &grouped(summary.images), &extent(report)))
            (figure("Classified", &grouped(summary.ok), &percent(summary.ok, summary.images)))
            (figure("Failed", &grouped(summary.failed), &percent(summary.failed, summary.images)))
            @if worked > 0 && busy > 0.0 {
                (figure("Images per second", &rounded(worked as f64 / busy), &format!("in {}", duration(busy))))
            }
            @if worked > 0 && notes.cpu_seconds() > 0.0 {
                (figure("Core-seconds", &rounded(notes.cpu_seconds() * 1000.0 / worked as f64), "per 1,000 images"))
            }
        }
        @if summary.failed + summary.warnings > 0 { (outcome(report)) }
    }
}

/// What the number of images is to be compared with.
fn extent(report: &Report<'_>) -> String {
    if report.cancelled {
        return format!("of {}", grouped(report.manifest.image_count()));
    }
    format!("in {}", count(report.manifest.task_count(), "task", "tasks"))
}

fn figure(name: &str, value: &str, note: &str) -> Markup {
    html! {
        div {
            dt { (name) }
            dd.value.long[value.len() > LONG] { (value) }
            dd.note { (note) }
        }
    }
}

/// One bar of all images: classified, classified with a warning, failed.
fn outcome(report: &Report<'_>) -> Markup {
    let summary = report.summary;
    let clean = summary.ok.saturating_sub(summary.warnings);
    let parts = [
        ("good", "classified", clean),
        ("warned", "classified although cut short", summary.warnings),
        ("failed", "failed", summary.failed),
    ];
    let shown = || parts.into_iter().filter(|(_, _, images)| *images > 0);
    html! {
        div.outcome {
            div.stack aria-hidden="true" {
                @for (tone, _, images) in shown() {
                    span.{ (tone) } style=(format!("flex-grow:{:.4}", ratio(images, summary.images) * 100.0)) {}
                }
            }
            ul.legend {
                @for (tone, meaning, images) in shown() {
                    li { span.swatch.{ (tone) } aria-hidden="true" {} (grouped(images)) " " (meaning) }
                }
            }
        }
    }
}
