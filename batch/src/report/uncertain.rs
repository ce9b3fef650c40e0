//! The least certain images: the ones a person should look at first.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{Markup, html};

use super::confidence::tone;
use super::figures::{count, grouped};
use super::name::{Name, file_name, location, shortened, visible};
use super::page;
use crate::summary::{Summary, Uncertain};

/// Characters of a folder or file name on a card.
const NAME_LENGTH: usize = 60;

/// The section. Needs at least one labelled image.
pub(super) fn section(summary: &Summary, thumbnails: &BTreeMap<u64, Vec<u8>>) -> Markup {
    let images = &summary.least_certain;
    let explanation = format!(
        "The {} with the lowest best score, lowest first. Good candidates for a second look, or for new training data.",
        count(images.len() as u64, "image", "images")
    );
    let content = html! {
        ol.cards { @for image in images { (card(image, thumbnails.get(&image.index))) } }
    };
    page::section("uncertain", "Least certain", &explanation, content)
}

fn card(image: &Uncertain, thumbnail: Option<&Vec<u8>>) -> Markup {
    html! {
        li {
            (picture(image, thumbnail))
            p.verdict title=(visible(&image.label)) { (Name(&image.label)) }
            p.score {
                span.track aria-hidden="true" {
                    span.bar.{ (tone(image.score)) } style=(format!("width:{:.2}%", image.score.clamp(0.0, 1.0) * 100.0)) {}
                }
                (format!("{:.3}", image.score))
            }
            p.where title=(visible(&image.image)) { (location(&image.image, NAME_LENGTH)) }
            p.index { "index " (grouped(image.index)) }
        }
    }
}

fn picture(image: &Uncertain, thumbnail: Option<&Vec<u8>>) -> Markup {
    let name = visible(&shortened(file_name(&image.image), NAME_LENGTH));
    html! {
        @if let Some(jpeg) = thumbnail {
            img.thumbnail src={ "data:image/jpeg;base64," (BASE64_STANDARD.encode(jpeg)) } alt={ "Thumbnail of " (name) };
        } @else {
            div.thumbnail.missing role="img" aria-label={ "No thumbnail of " (name) } {
                svg viewBox="0 0 48 36" width="48" height="36" aria-hidden="true" {
                    path d="M3 3h42v30H3zM3 27l12-11 10 9 7-6 13 11" {}
                    circle cx="33" cy="12" r="3.5" {}
                }
            }
        }
    }
}
