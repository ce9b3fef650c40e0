//! Pages of keys as ListObjectsV2 gives them: prefix, delimiter, start-after, continuation.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::objects::Object;

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    /// Nothing up to this name; if it ends with the delimiter, nothing that begins with it either.
    pub(super) after: String,
    pub(super) most: usize,
}

/// What is given.
#[derive(Default)]
pub(super) struct Page {
    pub(super) objects: Vec<(String, Object)>,
    pub(super) prefixes: Vec<String>,
    /// The last name, if there is more.
    pub(super) next: Option<String>,
}

pub(super) fn page(all: &BTreeMap<String, Object>, query: &Query) -> Page {
    let mut page = Page::default();
    let mut last = String::new();
    let mut from =
        if query.after >= query.prefix { after(query, &query.after) } else { Bound::Included(query.prefix.clone()) };
    while let Some((key, object)) = all.range::<String, _>((from, Bound::Unbounded)).next() {
        if !key.starts_with(&query.prefix) {
            break;
        }
        if page.objects.len() + page.prefixes.len() == query.most {
            page.next = Some(last);
            break;
        }
        last = match folder(query, key) {
            Some(folder) => {
                page.prefixes.push(folder.clone());
                folder
            }
            None => {
                page.objects.push((key.clone(), object.clone()));
                key.clone()
            }
        };
        from = after(query, &last);
    }
    page
}

/// The "folder" that stands for this key.
fn folder(query: &Query, key: &str) -> Option<String> {
    let delimiter = query.delimiter.as_deref()?;
    let end = query.prefix.len() + key[query.prefix.len()..].find(delimiter)? + delimiter.len();
    Some(key[..end].to_owned())
}

/// Past a name and, if it is a folder, past all that is in it.
fn after(query: &Query, name: &str) -> Bound<String> {
    match &query.delimiter {
        Some(delimiter) if name.len() > query.prefix.len() && name.ends_with(delimiter.as_str()) => {
            Bound::Excluded(format!("{name}{}", char::MAX))
        }
        _ => Bound::Excluded(name.to_owned()),
    }
}
