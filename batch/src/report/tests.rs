//! The page as a whole: what it may contain, and that its figures are those of the summary.

use std::collections::BTreeMap;

use models::Digest;

use super::{Report, render};
use crate::image::ImageRef;
use crate::manifest::Manifest;
use crate::manifest::tests::manifest;
use crate::row::{ErrorCode, Label, Outcome};
use crate::run::{RunNotes, Session};
use crate::summary::Summary;

const HOSTILE: &str =
    "https://evil.example/\"><script>alert(1)</script><img src=x onerror=\u{202e}gpj.exe\u{2066}&amp;'";

/// A summary of `ok` labelled images in `classes` classes and `failed` failed ones, each named `name`.
fn summary(ok: u64, classes: u64, failed: u64, name: &str) -> Summary {
    let mut summary = Summary::default();
    for index in 0..ok + failed {
        let outcome = if index < ok {
            let label = format!("{name} {}", index % classes);
            let top = vec![Label { label, index: 0, score: (index % 100) as f64 / 100.0 }];
            Outcome { top, size: Some((400, 300)), bytes: Some(1000), error: None }
        } else {
            Outcome::failed(ErrorCode::ALL[index as usize % 12], format!("{name} is bad"))
        };
        summary.add(index, &outcome.into_row(&ImageRef::new(name), "m@d"));
    }
    summary
}

fn notes(host: &str) -> RunNotes {
    let session = |started: i64, finished: i64| Session {
        host: host.to_owned(),
        version: "0.1.0".to_owned(),
        threads: 2,
        started: jiff::Timestamp::from_second(started).unwrap(),
        finished: jiff::Timestamp::from_second(finished).unwrap(),
        images: 2500,
        cpu_seconds: 20.0,
    };
    RunNotes { sessions: vec![session(1_795_000_000, 1_795_000_010), session(1_795_000_002, 1_795_000_012)] }
}

fn page(manifest: &Manifest, summary: &Summary, notes: &RunNotes, thumbnails: &BTreeMap<u64, Vec<u8>>) -> String {
    let manifest_digest = Digest::of(b"manifest");
    render(&Report { manifest, manifest_digest, summary, notes, thumbnails, cancelled: false })
}

fn page_of(summary: &Summary) -> String {
    page(&manifest(summary.images, 64), summary, &notes("host"), &BTreeMap::new())
}

/// The tags of a page as `name attribute="value"…`, quotes respected; panics on a `<` that begins no tag.
fn tags(page: &str) -> Vec<&str> {
    let body = page.split_once("</style>").map_or(page, |(_, body)| body);
    let mut tags = Vec::new();
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let (tag, after) = rest.split_at(end.expect("every tag ends"));
        assert!(tag.starts_with(|c: char| c.is_ascii_lowercase() || c == '/'), "{tag}");
        tags.push(tag);
        rest = &after[1..];
    }
    tags
}

/// The attributes of a tag as name and value; an attribute without a value has an empty one.
fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let mut attributes = Vec::new();
    let mut rest = tag.split_once(' ').map_or("", |(_, attributes)| attributes);
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').expect("every value is quoted"),
            None => ("", after),
        };
        assert!(!name.is_empty() && !after.starts_with('='), "no attribute: {rest} in {tag}");
        attributes.push((name, value));
        rest = after.trim_start();
    }
    attributes
}

/// The text of a page without its tags and with single, plain spaces.
fn text(page: &str) -> String {
    let body = page.split_once("</style>").map_or(page, |(_, body)| body);
    let mut text = String::new();
    for piece in body.split('<').skip(1) {
        let (tag, after) = piece.split_once('>').unwrap();
        if !matches!(tag, "wbr" | "bdi class=\"name\"" | "/bdi") {
            text.push(' ');
        }
        text.push_str(after);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn nothing_of_a_hostile_name_becomes_markup() {
    let mut manifest = manifest(300, 64);
    manifest.arguments = vec![HOSTILE.to_owned()];
    manifest.settings.model.id = HOSTILE.to_owned();
    manifest.settings.model.uri = HOSTILE.to_owned();
    manifest.etl = Some((HOSTILE.to_owned(), 1));
    let thumbnails = BTreeMap::from([(0, vec![0xff; 30])]);
    let page = page(&manifest, &summary(200, 30, 100, HOSTILE), &notes(HOSTILE), &thumbnails);
    let elements = "article bdi body caption circle code dd details div dl dt figcaption figure footer h1 h2 h3 header \
        html img li main ol p path section span strong summary svg table tbody td th thead time tr ul wbr head";
    let known = "alt aria-hidden aria-label aria-labelledby class cx cy d datetime height id lang r role scope src style \
        tabindex title viewBox width";
    for tag in tags(&page) {
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        assert!(elements.split_whitespace().any(|element| element == name), "{tag}");
        for (name, _) in attributes(tag) {
            assert!(known.split_whitespace().any(|known| known == name), "{name} in {tag}");
        }
    }
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;"));
    assert!(!page.contains(['\u{202e}', '\u{2066}']), "bidirectional controls are shown, not obeyed");
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let thumbnails = BTreeMap::from([(0, b"jpeg".to_vec())]);
    let summary = summary(40, 3, 12, HOSTILE);
    let page = page(&manifest(52, 64), &summary, &notes("host"), &thumbnails);
    let (head, _) = page.split_once("</head>").unwrap();
    assert!(
        head.contains(
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
        )
    );
    for outside in ["@import", "url(", "http:", "https:", "//"] {
        assert!(!head.contains(outside), "{outside}");
    }
    let attributes: Vec<_> = tags(&page).into_iter().flat_map(attributes).collect();
    let sources: Vec<_> = attributes.iter().filter(|(name, _)| *name == "src").map(|(_, source)| *source).collect();
    assert_eq!(sources, ["data:image/jpeg;base64,anBlZw=="]);
    for (name, value) in attributes {
        assert!(!["href", "srcset", "action", "data", "poster", "background"].contains(&name), "{name}={value}");
        assert!(name != "style" || !value.contains("url"), "{name}={value}");
    }
    assert_eq!(page.matches("No thumbnail of").count(), 23);
}

#[test]
fn figures_are_those_of_the_summary() {
    let summary = summary(4800, 34, 200, "a.jpg");
    let page = page_of(&summary).replace('\u{a0}', " ");
    assert!(page.contains("Most images, 240, scored 0.95 to 1.00; half of all scored at most 0.50."));
    let text = text(&page);
    for shown in [
        "Images 5,000 in 79 tasks",
        "Classified 4,800 96.0%",
        "Failed 200 4.0%",
        "Images per second 417 in 12 s",
        "Core-seconds 8.00 per 1,000 images",
        "4,800 classified 200 failed",
        "the 4,800 images that got one, in 34 classes",
        "14 more classes with 1,974 images (41.1%)",
        "200 of 5,000 images got no label",
        "0.9 and above 10.0% 480 images",
        "0.5 to 0.9 40.0% 1,920 images",
        "below 0.5 50.0% 2,400 images",
        "Files 4.58 MiB 4,800,000 bytes",
        "576 megapixels",
        "width 400 px, height 300 px",
        "2 processes",
        "18 November 2026, 11:06:40 to 11:06:52 UTC",
    ] {
        assert!(text.contains(shown), "{shown}\n{text}");
    }
    let explained: Vec<_> = ErrorCode::ALL.iter().filter(|code| text.contains(&format!(" {code} 1"))).collect();
    assert_eq!(explained.len(), 12, "each code with its count, here 16 or 17");
    assert!(!text.contains("on average"), "a mean over images of unknown size would be wrong");
}

#[test]
fn tables_and_charts_are_whole() {
    let summary = summary(2000, 1000, 0, "label");
    let page = page_of(&summary);
    let count = |wanted: &str| page.matches(wanted).count();
    assert_eq!(count("<td class=\"share\">"), 20);
    assert_eq!(
        page.split_once("<ul class=\"rest\">").unwrap().1.split_once("</ul>").unwrap().0.matches("<li>").count(),
        980
    );
    assert_eq!(count("style=\"height:"), 20);
    assert_eq!(count("<img "), 0);
    assert_eq!(count("class=\"thumbnail missing\""), 24);
    for element in ["html", "body", "section", "table", "tr", "th", "td", "div", "span", "li", "details", "bdi"] {
        let opened = count(&format!("<{element}>")) + count(&format!("<{element} "));
        assert_eq!(opened, count(&format!("</{element}>")), "{element}");
    }
    let text = text(&page);
    assert!(text.contains("No image failed."));
    assert!(text.contains("on average"));
}

#[test]
fn an_empty_batch_and_a_batch_that_failed_are_pages_too() {
    let empty = Summary::default();
    let page_of_none = page(&manifest(0, 64), &empty, &RunNotes::default(), &BTreeMap::new());
    let shown = text(&page_of_none);
    assert!(shown.contains("This batch has no images") && shown.contains("No process left a note"), "{shown}");
    let failed = text(&page_of(&summary(0, 1, 5, "x")));
    assert!(failed.contains("All failed") && failed.contains("Failed 5 100%"), "{failed}");
    for absent in ["NaN", "inf", "Least certain", "Confidence"] {
        assert!(!shown.contains(absent) && !failed.contains(absent), "{absent}");
    }
}

#[test]
fn a_cancelled_batch_says_what_is_missing() {
    let (manifest, summary, notes, thumbnails) =
        (manifest(900, 64), summary(64, 2, 0, "a"), notes("h"), BTreeMap::new());
    let manifest_digest = Digest::of(b"");
    let report = |cancelled| Report {
        manifest: &manifest,
        manifest_digest,
        summary: &summary,
        notes: &notes,
        thumbnails: &thumbnails,
        cancelled,
    };
    let cancelled = text(&render(&report(true)));
    assert!(cancelled.contains("This batch was cancelled. The figures cover the 64 of 900 images"), "{cancelled}");
    assert!(!render(&report(false)).contains("ancelled"));
    assert_eq!(render(&report(true)), render(&report(true)));
}
