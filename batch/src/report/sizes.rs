//! How much was read: bytes and pixels, together, on average, at most.

use maud::{Markup, html};

use super::figures::{bytes, count, grouped, megapixels};
use super::page;
use crate::summary::Summary;

/// The section.
pub(super) fn section(summary: &Summary) -> Markup {
    let (width, height) = summary.largest;
    // Failed images often have no known size, and the summary does not say how many: then a mean would be wrong.
    let all_known = summary.failed == 0 && summary.images > 0;
    let content = html! {
        dl.facts {
            div {
                dt { "Files" }
                dd {
                    (bytes(summary.bytes))
                    @if summary.bytes >= 1024 { span.aside { (count(summary.bytes, "byte", "bytes")) } }
                    @if all_known { span.aside { "on average " (bytes(summary.bytes / summary.images)) } }
                }
            }
            @if summary.pixels > 0 {
                div {
                    dt { "Pixels" }
                    dd {
                        (megapixels(summary.pixels))
                        @if all_known { span.aside { "on average " (megapixels(summary.pixels / summary.images)) } }
                    }
                }
                div {
                    dt { "Largest" }
                    dd {
                        "width " (grouped(width.into())) "\u{a0}px, height " (grouped(height.into())) "\u{a0}px"
                        span.aside { "not necessarily of one image" }
                    }
                }
            }
        }
    };
    let explanation = if all_known { "Of all images together." } else { "Of all images whose size is known." };
    page::section("sizes", "Sizes", explanation, content)
}
