//! Ids shortened to a unique beginning.
//!
//! Owns what a beginning may stand for. Ids sort as their texts do, so a beginning is a range and
//! finding it costs nothing however many there are.

use std::collections::BTreeMap;
use std::str::FromStr;

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

/// Characters of a whole id.
const ID_CHARS: usize = 26;

/// Looks among `ids` for those whose text begins with `prefix`, in either case. The empty beginning
/// stands for nothing.
pub fn find<I: Copy + Ord + FromStr, V>(ids: &BTreeMap<I, V>, prefix: &str) -> Found<I> {
    let Some(missing) = ID_CHARS.checked_sub(prefix.len()).filter(|n| *n < ID_CHARS) else {
        return Found::None;
    };
    // `0` is the lowest and `Z` the highest character of an id.
    let bound = |filler: &str| format!("{prefix}{}", filler.repeat(missing)).parse::<I>();
    // The highest id begins with `7`; what no id can begin with has no bounds.
    let (Ok(low), Ok(high)) = (bound("0"), bound("Z")) else { return Found::None };
    let found: Vec<I> = ids.range(low..=high).map(|(id, _)| *id).take(LISTED_MAX).collect();
    match found.as_slice() {
        [] => Found::None,
        [one] => Found::One(*one),
        _ => Found::Many(found),
    }
}
