//! Ids shortened to a unique beginning.

use std::collections::BTreeMap;

/// What a beginning of an id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<I> {
    One(I),
    None,
    /// The first few of those it could be.
    Many(Vec<I>),
}

/// Candidates that are listed at most.
const LISTED_MAX: usize = 5;

/// Looks among `ids` for those whose text begins with `prefix`, in any case. The empty beginning
/// stands for nothing.
pub fn find<I: Copy + Ord + ToString, V>(ids: &BTreeMap<I, V>, prefix: &str) -> Found<I> {
    let prefix = prefix.to_ascii_uppercase();
    if prefix.is_empty() {
        return Found::None;
    }
    let matching = ids.keys().filter(|id| id.to_string().starts_with(&prefix));
    let found: Vec<I> = matching.copied().take(LISTED_MAX).collect();
    match found.as_slice() {
        [] => Found::None,
        [one] => Found::One(*one),
        _ => Found::Many(found),
    }
}
