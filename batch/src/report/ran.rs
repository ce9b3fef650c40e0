//! What ran: the request as the manifest fixes it, the model, the settings, and the processes that did the work.

use maud::{Markup, html};

use super::Report;
use super::figures::{bytes, clock, count, day, duration, grouped, megapixels, rounded};
use super::name::Name;
use super::page;
use crate::manifest::{Manifest, TruncationPolicy};
use crate::run::{RunNotes, Session};

/// Processes in the table; a large cluster has thousands, and `run.json` has them all.
const SHOWN: usize = 20;

/// The section.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let content = html! {
        h3 { "Request" }
        (request(report))
        h3 { "Settings" }
        (settings(report.manifest))
        h3 { "Work" }
        @if report.notes.sessions.is_empty() {
            p.nothing { "No process left a note of when it worked." }
        } @else {
            (work(report.notes))
            (processes(&report.notes.sessions))
        }
    };
    page::section("ran", "What ran", "Everything that could change a row is fixed in the manifest.", content)
}

fn fact(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn request(report: &Report<'_>) -> Markup {
    let manifest = report.manifest;
    let model = &manifest.settings.model;
    html! {
        dl.facts {
            (fact("Batch", html! { (manifest.batch) }))
            (fact("Input", html! {
                @if manifest.arguments.is_empty() { "–" }
                ul.inputs { @for argument in &manifest.arguments { li { code { (Name(argument)) } } } }
            }))
            (fact("Model", html! { code { (Name(&model.id)) } span.aside { "from " code { (Name(&model.uri)) } } }))
            (fact("Model digest", html! { code.digest { (model.digest) } }))
            (fact("Manifest digest", html! { code.digest { (report.manifest_digest) } }))
            @if let Some(queue) = &manifest.queue { (fact("Queue", html! { (queue) })) }
            @if let Some(parent) = &manifest.parent {
                (fact("Retry of", html! {
                    (parent.batch) span.aside {
                        "done again: "
                        @for (at, code) in parent.codes.iter().enumerate() {
                            @if at > 0 { ", " } code { (code) }
                        }
                    }
                }))
            }
            @if let Some((pipeline, run)) = &manifest.etl {
                (fact("Scheduled by", html! { (Name(pipeline)) ", run " (grouped(*run)) }))
            }
        }
    }
}

fn settings(manifest: &Manifest) -> Markup {
    let settings = &manifest.settings;
    let truncated = match settings.on_truncated {
        TruncationPolicy::Error => "are errors",
        TruncationPolicy::Warn => "are classified, with a warning",
    };
    html! {
        dl.facts {
            (fact("Labels per image", html! { (grouped(settings.top_k.into())) }))
            (fact("Images per task", html! { (grouped(manifest.task_size.into())) }))
            (fact("Largest file", html! { (bytes(settings.max_bytes)) }))
            (fact("Largest image", html! { (megapixels(settings.max_pixels)) }))
            (fact("Images cut short", html! { (truncated) }))
            (fact("Time for an image", html! { (duration(settings.image_timeout_s.into())) }))
            (fact("Time for a task", html! { (duration(settings.task_timeout_s.into())) }))
        }
    }
}

fn work(notes: &RunNotes) -> Markup {
    let busy = notes.busy_seconds();
    let mut versions: Vec<_> = notes.sessions.iter().map(|session| session.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    html! {
        dl.facts {
            @if let Some((started, finished)) = notes.span() {
                (fact("When", html! {
                    time datetime=(started) { (day(started)) ", " (clock(started)) }
                    " to "
                    time datetime=(finished) {
                        @if day(finished) != day(started) { (day(finished)) ", " }
                        (clock(finished))
                    }
                    " UTC"
                }))
                @let breaks = finished.as_millisecond().saturating_sub(started.as_millisecond()) as f64 / 1000.0 - busy;
                (fact("Worked for", html! {
                    (duration(busy))
                    @if breaks >= 1.0 { span.aside { "and paused for " (duration(breaks)) } }
                }))
            }
            (fact("Done", html! {
                (count(notes.images(), "image", "images"))
                @if busy > 0.0 { span.aside { (rounded(notes.images() as f64 / busy)) " images/s" } }
            }))
            (fact("Processor time", html! {
                (duration(notes.cpu_seconds()))
                @if notes.images() > 0 {
                    span.aside {
                        (rounded(notes.cpu_seconds() * 1000.0 / notes.images() as f64)) " core-seconds per 1,000 images"
                    }
                }
            }))
            (fact("Version", html! {
                "pixelmill "
                @for (at, version) in versions.iter().enumerate() { @if at > 0 { ", " } (Name(version)) }
            }))
        }
    }
}

fn processes(sessions: &[Session]) -> Markup {
    let shown = &sessions[..sessions.len().min(SHOWN)];
    let more = sessions.len() - shown.len();
    html! {
        div.scroll role="region" aria-label="Processes" tabindex="0" {
            table.plain {
                caption { (count(sessions.len() as u64, "process", "processes")) }
                thead {
                    tr {
                        th scope="col" { "Host" }
                        th scope="col" { "Started (UTC)" }
                        th.number scope="col" { "Time" }
                        th.number scope="col" { "Threads" }
                        th.number scope="col" { "Images" }
                        th.number scope="col" { "CPU time" }
                    }
                }
                tbody { @for session in shown { (row(session)) } }
            }
        }
        @if more > 0 { p.aside { "and " (count(more as u64, "more", "more")) "; all of them are in " code { "run.json" } } }
    }
}

fn row(session: &Session) -> Markup {
    let worked = session.finished.as_millisecond().saturating_sub(session.started.as_millisecond()) as f64 / 1000.0;
    html! {
        tr {
            th scope="row" { (Name(&session.host)) }
            td { (day(session.started)) ", " (clock(session.started)) }
            td.number { (duration(worked)) }
            td.number { (grouped(session.threads as u64)) }
            td.number { (grouped(session.images)) }
            td.number { (duration(session.cpu_seconds)) }
        }
    }
}
