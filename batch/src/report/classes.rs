//! How the images spread over the classes: the most frequent ones as bars, the rest folded away.

use maud::{Markup, html};

use super::figures::{count, grouped, percent, ratio};
use super::name::Name;
use super::page;
use crate::summary::Summary;

/// Classes that get a bar; more would be a wall.
const SHOWN: usize = 20;

/// The section. Needs at least one labelled image.
pub(super) fn section(summary: &Summary) -> Markup {
    let classes = by_frequency(summary);
    let most = classes.first().map_or(0, |(_, images)| *images);
    let (shown, rest) = classes.split_at(classes.len().min(SHOWN));
    let explanation = format!(
        "The best label of each of the {} that got one, in {}.",
        count(summary.ok, "image", "images"),
        count(classes.len() as u64, "class", "classes")
    );
    let content = html! {
        table.classes {
            thead {
                tr {
                    th scope="col" { "Class" }
                    th.number scope="col" { "Images" }
                    th scope="col" { "Share" }
                }
            }
            tbody { @for (label, images) in shown { (row(label, *images, most, summary.ok)) } }
        }
        @if !rest.is_empty() { (folded(rest, summary.ok)) }
    };
    page::section("classes", "Classes", &explanation, content)
}

fn by_frequency(summary: &Summary) -> Vec<(&str, u64)> {
    let mut classes: Vec<_> = summary.classes.iter().map(|(label, images)| (label.as_str(), *images)).collect();
    // Stable: equal counts stay in the order of their labels.
    classes.sort_by_key(|(_, images)| std::cmp::Reverse(*images));
    classes
}

fn row(label: &str, images: u64, most: u64, all: u64) -> Markup {
    html! {
        tr {
            th scope="row" { (Name(label)) }
            td.number { (grouped(images)) }
            td.share {
                div {
                    span.track aria-hidden="true" {
                        span.bar style=(format!("width:{:.2}%", ratio(images, most) * 100.0)) {}
                    }
                    span.percent { (percent(images, all)) }
                }
            }
        }
    }
}

fn folded(rest: &[(&str, u64)], all: u64) -> Markup {
    let images = rest.iter().map(|(_, images)| images).sum();
    html! {
        details {
            summary {
                (count(rest.len() as u64, "more class", "more classes"))
                span.aside { " with " (count(images, "image", "images")) " (" (percent(images, all)) ")" }
            }
            ul.rest {
                @for (label, images) in rest { li { (Name(label)) span.number { (grouped(*images)) } } }
            }
        }
    }
}
