//! Reading on after a complaint.
//!
//! Owns how one entry tells everything that is wrong with it: what was complained of is taken out
//! of a copy of its tree, or a key that is missing is put in, and the rest is read again. Never
//! uses a value it made up; an entry with such a value has no typed form.

use std::ops::Range;

use serde::de::DeserializeOwned;

use super::node::{Key, Node, Value};
use super::problem::{File, Problem};
use super::shape::{self, Fault};

/// Problems that are told of one entry.
const PROBLEMS_MAX: usize = 32;

/// Reads `node` as a `T`; everything that is wrong goes to `out`. What could still be read lets its
/// values be checked too: with problems in `out` it is not to be used.
pub(super) fn read<T: DeserializeOwned>(
    file: &File,
    node: &Node,
    out: &mut Vec<Problem>,
) -> Option<T> {
    let (mut rest, mut removed, mut stubs) = (node.clone(), Vec::new(), 0_usize);
    for _ in 0..PROBLEMS_MAX {
        let fault = match shape::attempt::<T>(file, &rest) {
            Ok(value) => return (stubs == 0).then_some(value),
            Err(fault) => fault,
        };
        let at = fault.at.clone().unwrap_or_else(|| node.at.clone());
        match fault.missing {
            // A key that was taken out has been told of already.
            Some(key) if removed.iter().any(|name| name == key) => {}
            // What was put in does not fit either: nothing more can be known.
            None if at == STUB && stubs > 0 => return None,
            _ => out.push(problem(file, fault.clone(), &at)),
        }
        let mended = match fault.missing {
            Some(key) => {
                stubs += 1;
                insert(&mut rest, &at, key)
            }
            None => remove(&mut rest, &at, &mut removed),
        };
        if !mended {
            return None;
        }
    }
    None
}

/// Where a value stands that no file has.
const STUB: Range<usize> = usize::MAX - 1..usize::MAX;

fn problem(file: &File, fault: Fault, at: &Range<usize>) -> Problem {
    Problem::new(file, at.clone(), fault.message).hint_opt(fault.hint)
}

/// Puts a text under `key` into the mapping that stands at `at`.
fn insert(node: &mut Node, at: &Range<usize>, key: &str) -> bool {
    let here = node.at == *at;
    match &mut node.value {
        Value::Map(entries) if here => {
            let key = Key { at: STUB, name: key.to_owned() };
            entries.push((key, Node { at: STUB, value: Value::Text(String::new()) }));
            true
        }
        Value::Null if here => {
            node.value = Value::Map(Vec::new());
            insert(node, at, key)
        }
        Value::Map(entries) => entries.iter_mut().any(|(_, inner)| insert(inner, at, key)),
        Value::List(items) => items.iter_mut().any(|item| insert(item, at, key)),
        Value::Null
        | Value::Bool(_)
        | Value::Unsigned(_)
        | Value::Signed(_)
        | Value::Float(_)
        | Value::Text(_) => false,
    }
}

/// Takes out the key, value or item that stands at `at`.
fn remove(node: &mut Node, at: &Range<usize>, removed: &mut Vec<String>) -> bool {
    match &mut node.value {
        Value::Map(entries) => {
            let place = entries.iter().position(|(key, value)| key.at == *at || value.at == *at);
            if let Some(place) = place {
                removed.push(entries.remove(place).0.name);
                return true;
            }
            entries.iter_mut().any(|(_, inner)| remove(inner, at, removed))
        }
        Value::List(items) => match items.iter().position(|item| item.at == *at) {
            Some(place) => {
                items.remove(place);
                true
            }
            None => items.iter_mut().any(|item| remove(item, at, removed)),
        },
        Value::Null
        | Value::Bool(_)
        | Value::Unsigned(_)
        | Value::Signed(_)
        | Value::Float(_)
        | Value::Text(_) => false,
    }
}
