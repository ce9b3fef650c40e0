//! Gives every value its place in one piece of memory.
//!
//! Concatenations cost nothing where they fall on blocks: their parts are made in place. Slices at blocks are views.
//! What only changes an image that nobody reads any more does so in place. Memory whose last reader has run is given to
//! the next value, the last freed first: it is still in the cache.

use std::collections::HashMap;
use std::ops::Range;

use kernels::BLOCK;

use super::layer::{Id, Kind, Layer};

/// Where each value lies.
pub(crate) struct Places {
    /// Floats of all values of `layers`; empty for those that stay outside.
    pub ranges: Vec<Range<usize>>,
    /// Floats in all.
    pub len: usize,
    /// Channel maps that are made by placing, not by copying.
    pub free: Vec<bool>,
}

/// A value as part of another: which, and after how many floats.
type Part = (Id, usize);

/// `outside` tells the values that need no place.
pub(crate) fn place(layers: &[Layer], outputs: &[Id], outside: &[bool]) -> Places {
    let mut parts: Vec<Option<Part>> = vec![None; layers.len()];
    let mut free = vec![false; layers.len()];
    let mut maps: Vec<Id> = (0..layers.len()).filter(|id| matches!(layers[*id].kind, Kind::Channels(_))).collect();
    // The largest first: the smaller ones are often the beginning of a larger one.
    maps.sort_by_key(|id| std::cmp::Reverse(layers[*id].shape.channels));
    for id in maps {
        let Some(segments) = segments(layers, id) else {
            continue;
        };
        free[id] = joined(layers, &segments, &mut parts, outside, id) || viewed(layers, &segments, &mut parts, id);
    }
    for id in 0..layers.len() {
        change_in_place(layers, outputs, outside, &mut parts, id);
    }
    let roots: Vec<Part> = (0..layers.len()).map(|id| root(&parts, id)).collect();
    let lives = lives(layers, outputs, &roots, outside, &free);
    let (starts, len) = assign(layers, &roots, &lives);
    let range = |id: Id| {
        let (root, at) = roots[id];
        let start = starts.get(&root).map_or(0, |start| start + at);
        if outside[id] { 0..0 } else { start..start + layers[id].shape.blocked_len() }
    };
    Places { ranges: (0..layers.len()).map(range).collect(), len, free }
}

/// A channel map as ranges of channels; `None` where one does not start at a block, here or there.
fn segments(layers: &[Layer], id: Id) -> Option<Vec<(Id, Range<usize>)>> {
    let Kind::Channels(map) = &layers[id].kind else {
        return None;
    };
    let mut segments: Vec<(Id, Range<usize>)> = Vec::new();
    for (position, (input, channel)) in map.iter().enumerate() {
        let source = layers[id].inputs[*input];
        match segments.last_mut() {
            Some((last, range)) if *last == source && range.end == *channel => range.end += 1,
            _ if position % BLOCK == 0 && channel % BLOCK == 0 => segments.push((source, *channel..channel + 1)),
            _ => return None,
        }
    }
    Some(segments)
}

/// Places whole, not yet placed values one behind the other.
fn joined(
    layers: &[Layer],
    segments: &[(Id, Range<usize>)],
    parts: &mut [Option<Part>],
    outside: &[bool],
    id: Id,
) -> bool {
    let whole = |(source, range): &(Id, Range<usize>)| {
        *range == (0..layers[*source].shape.channels) && parts[*source].is_none() && !outside[*source]
    };
    let mut sources: Vec<Id> = segments.iter().map(|(source, _)| *source).collect();
    sources.sort_unstable();
    sources.dedup();
    if sources.len() < segments.len() || !segments.iter().all(whole) {
        return false;
    }
    let mut at = 0;
    for (source, _) in segments {
        parts[*source] = Some((id, at));
        at += layers[*source].shape.blocked_len();
    }
    true
}

/// Finds what already lies in this order.
fn viewed(layers: &[Layer], segments: &[(Id, Range<usize>)], parts: &mut [Option<Part>], id: Id) -> bool {
    let plane = layers[id].shape.plane();
    let start = |(source, range): &(Id, Range<usize>)| {
        let (root, at) = root(parts, *source);
        (root, at + range.start / BLOCK * plane)
    };
    let (first, begin) = start(&segments[0]);
    let mut next = begin;
    for segment in segments {
        if start(segment) != (first, next) || first == id {
            return false;
        }
        next += segment.1.len().div_ceil(BLOCK) * plane;
    }
    parts[id] = Some((first, begin));
    true
}

/// Gives an element-wise layer the memory of an operand that it is the last to read.
fn change_in_place(layers: &[Layer], outputs: &[Id], outside: &[bool], parts: &mut [Option<Part>], id: Id) {
    let operands = match layers[id].kind {
        Kind::Activate(_) | Kind::Scale => &layers[id].inputs[..1],
        Kind::Add(_) => &layers[id].inputs[..],
        _ => return,
    };
    let last_to_read = |operand: Id| {
        let members: Vec<Id> = (0..layers.len()).filter(|other| root(parts, *other).0 == operand).collect();
        let readers =
            layers.iter().enumerate().flat_map(|(reader, layer)| layer.inputs.iter().map(move |id| (reader, *id)));
        let mut late = readers.filter(|(reader, read)| *reader >= id && members.contains(read));
        parts[operand].is_none()
            && !outside[operand]
            && late.next() == Some((id, operand))
            && late.next().is_none()
            && !outputs.iter().any(|output| members.contains(output))
    };
    if let Some(operand) = operands.iter().copied().find(|operand| last_to_read(*operand)) {
        parts[operand] = Some((id, 0));
    }
}

fn root(parts: &[Option<Part>], id: Id) -> Part {
    let (mut root, mut at) = (id, 0);
    while let Some((parent, offset)) = parts[root] {
        root = parent;
        at += offset;
    }
    (root, at)
}

/// When each root's memory is needed: from the first layer that writes to it to the last that reads it.
fn lives(
    layers: &[Layer],
    outputs: &[Id],
    roots: &[Part],
    outside: &[bool],
    free: &[bool],
) -> HashMap<Id, (usize, usize)> {
    let mut lives: HashMap<Id, (usize, usize)> = HashMap::new();
    let mut touch = |id: Id, when: usize| {
        if !outside[id] {
            let life = lives.entry(roots[id].0).or_insert((when, when));
            *life = (life.0.min(when), life.1.max(when));
        }
    };
    for (id, layer) in layers.iter().enumerate() {
        if !free[id] {
            touch(id, id);
        }
        layer.inputs.iter().for_each(|input| touch(*input, id));
    }
    outputs.iter().for_each(|id| touch(*id, layers.len()));
    lives
}

/// Where each root starts, and the floats of all.
fn assign(layers: &[Layer], roots: &[Part], lives: &HashMap<Id, (usize, usize)>) -> (HashMap<Id, usize>, usize) {
    let mut order: Vec<_> = lives.iter().map(|(root, life)| (life.0, *root, life.1)).collect();
    order.sort_unstable();
    let mut sizes: Vec<usize> = Vec::new();
    let mut idle: Vec<usize> = Vec::new();
    let mut busy: Vec<(usize, usize)> = Vec::new();
    let mut slots = HashMap::new();
    for (begin, id, end) in order {
        busy.sort_unstable();
        let done = busy.iter().take_while(|(end, _)| *end < begin).count();
        idle.extend(busy.drain(..done).map(|(_, slot)| slot));
        let slot = idle.pop().unwrap_or_else(|| {
            sizes.push(0);
            sizes.len() - 1
        });
        sizes[slot] = sizes[slot].max(layers[roots[id].0].shape.blocked_len());
        busy.push((end, slot));
        slots.insert(id, slot);
    }
    let starts: Vec<usize> = sizes
        .iter()
        .scan(0, |next, size| {
            let start = *next;
            *next += size;
            Some(start)
        })
        .collect();
    (slots.into_iter().map(|(id, slot)| (id, starts[slot])).collect(), sizes.iter().sum())
}
