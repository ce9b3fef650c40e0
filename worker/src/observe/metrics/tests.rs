//! The names in `docs/METRICS.md` are those that are served.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A metric as the documents or the served text describe it: its type, and the values of each label.
type Described = (String, BTreeMap<String, BTreeSet<String>>);

fn documented() -> BTreeMap<String, Described> {
    let rows = include_str!("../../../../docs/METRICS.md").lines().filter(|line| line.starts_with("| `pixelmill_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let names = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let labels = match cells[3].split_once(": ") {
            Some((label, values)) => BTreeMap::from([(names(label).remove(0), names(values).into_iter().collect())]),
            None => names(cells[3]).into_iter().map(|label| (label, BTreeSet::new())).collect(),
        };
        (names(cells[1]).remove(0), (cells[2].to_owned(), labels))
    })
    .collect()
}

fn served(text: &str) -> BTreeMap<String, Described> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut served: BTreeMap<String, Described> =
        types.map(|(name, kind)| (name.to_owned(), (kind.to_owned(), BTreeMap::new()))).collect();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let name = histogram.filter(|name| served.contains_key(*name)).unwrap_or(name);
        let (_, labels) = served.get_mut(name).unwrap_or_else(|| panic!("{line} has no type"));
        let inner = line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inner, _)| inner);
        for (label, value) in inner.split(',').filter_map(|pair| pair.split_once('=')).filter(|(l, _)| *l != "le") {
            labels.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
    }
    // Any version is right.
    if let Some((_, labels)) = served.get_mut("pixelmill_build_info") {
        labels.values_mut().for_each(BTreeSet::clear);
    }
    served
}

#[test]
fn what_is_served_is_what_the_document_says() {
    let served = served(&Metrics::default().render(&Health::default()));
    assert!(served.len() > 25, "{} metrics", served.len());
    assert_eq!(served, documented());
}

#[test]
fn an_image_counts_by_its_code_and_a_warning_is_no_error() {
    let metrics = Metrics::default();
    let failed = Outcome::failed(ErrorCode::Truncated, "cut");
    let label = batch::Label { label: "cat".into(), index: 0, score: 0.5 };
    let warned = Outcome { top: vec![label], ..failed.clone() };
    metrics.image(&failed);
    metrics.image(&warned);
    metrics.image(&warned);
    let text = metrics.render(&Health::default());
    assert!(text.contains("pixelmill_images_total{outcome=\"ok\"} 2\n"), "{text}");
    assert!(text.contains("pixelmill_images_total{outcome=\"truncated\"} 1\n"), "{text}");
}
