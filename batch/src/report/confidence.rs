//! How sure the model was: a histogram of the best labels' scores, and the three shares it boils down to.

use std::ops::Range;

use maud::{Markup, html};

use super::figures::{count, grouped, percent, ratio};
use super::page;
use crate::summary::Summary;

/// Scores from here on count as sure, those below [`UNSURE`] as unsure: bars of the histogram, 20 from 0 to 1.
const SURE: usize = 18;
const UNSURE: usize = 10;

/// The section. Needs at least one labelled image.
pub(super) fn section(summary: &Summary) -> Markup {
    let bars = &summary.confidence;
    let most = bars.iter().copied().max().unwrap_or(0);
    let content = html! {
        dl.shares {
            (share("sure", "0.9 and above", SURE..bars.len(), summary))
            (share("fair", "0.5 to 0.9", UNSURE..SURE, summary))
            (share("unsure", "below 0.5", 0..UNSURE, summary))
        }
        figure.histogram {
            p.most aria-hidden="true" { (count(most, "image", "images")) }
            div.bars role="img" aria-label=(in_words(summary)) {
                @for (at, images) in bars.iter().enumerate() {
                    span.{ (tone_of_bar(at)) }.none[*images == 0] style=(format!("height:{:.2}%", ratio(*images, most) * 100.0))
                        title={ (interval(at, bars.len())) ": " (count(*images, "image", "images")) } {}
                }
            }
            div.axis aria-hidden="true" { @for tick in ["0", "0.25", "0.5", "0.75", "1"] { span { (tick) } } }
            figcaption { "Score of the best label" }
        }
        (table(summary))
    };
    let explanation = "How high the best label scored. What a score is worth depends on the model: look at the least \
        certain images before you trust a limit.";
    page::section("confidence", "Confidence", explanation, content)
}

/// The style of a score, 0–1: `sure`, `fair` or `unsure`.
pub(super) fn tone(score: f64) -> &'static str {
    tone_of_bar((score * 20.0) as usize)
}

fn tone_of_bar(bar: usize) -> &'static str {
    match bar {
        SURE.. => "sure",
        UNSURE.. => "fair",
        _ => "unsure",
    }
}

fn share(tone: &str, scores: &str, bars: Range<usize>, summary: &Summary) -> Markup {
    let images = summary.confidence[bars].iter().sum();
    html! {
        div {
            dt { span.swatch.{ (tone) } aria-hidden="true" {} (scores) }
            dd.value { (percent(images, summary.ok)) }
            dd.note { (count(images, "image", "images")) }
        }
    }
}

fn interval(bar: usize, bars: usize) -> String {
    format!("{:.2} to {:.2}", bar as f64 / bars as f64, (bar + 1) as f64 / bars as f64)
}

/// What the histogram shows, for who cannot see it.
fn in_words(summary: &Summary) -> String {
    let bars = &summary.confidence;
    let highest = (0..bars.len()).max_by_key(|bar| bars[*bar]).unwrap_or(0);
    let mut below = 0;
    let median = (0..bars.len()).find(|bar| {
        below += bars[*bar];
        below * 2 >= summary.ok
    });
    format!(
        "Histogram of scores. Most images, {}, scored {}; half of all scored at most {}.",
        grouped(bars[highest]),
        interval(highest, bars.len()),
        interval(median.unwrap_or(0), bars.len()).rsplit(' ').next().unwrap_or_default()
    )
}

fn table(summary: &Summary) -> Markup {
    let bars = &summary.confidence;
    html! {
        details {
            summary { "The same as a table" }
            table.plain {
                thead {
                    tr {
                        th scope="col" { "Score" }
                        th.number scope="col" { "Images" }
                        th.number scope="col" { "Share" }
                    }
                }
                tbody {
                    @for (at, images) in bars.iter().enumerate() {
                        tr {
                            th scope="row" { (interval(at, bars.len())) }
                            td.number { (grouped(*images)) }
                            td.number { (percent(*images, summary.ok)) }
                        }
                    }
                }
            }
        }
    }
}
