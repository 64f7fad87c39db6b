//! Finding an entity by the beginning of its id.
//!
//! Owns what a shortened id may mean. An id's order is its text's order, so a prefix is a range.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Ids an ambiguous prefix is answered with at most.
pub const CANDIDATES_MAX: usize = 8;

/// Characters of a whole id.
const ID_CHARS: usize = 26;

/// Why a prefix names nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixError<Id> {
    /// No id begins so.
    None,
    /// Several do: how many, and the first of them.
    Ambiguous { count: usize, first: Vec<Id> },
}

/// The one entry whose id begins with `prefix`, in either case.
pub(crate) fn find<'a, Id, T>(
    map: &'a BTreeMap<Id, T>,
    prefix: &str,
) -> Result<&'a T, PrefixError<Id>>
where
    Id: FromStr + Ord + Copy,
{
    let Some(missing) = ID_CHARS.checked_sub(prefix.len()).filter(|n| *n < ID_CHARS) else {
        return Err(PrefixError::None);
    };
    // `0` is the lowest and `Z` the highest character an id can have.
    let bound = |filler: &str| format!("{prefix}{}", filler.repeat(missing)).parse::<Id>();
    let (Ok(low), Ok(high)) = (bound("0"), bound("Z")) else { return Err(PrefixError::None) };
    let mut matches = map.range(low..=high);
    match (matches.next(), matches.next()) {
        (None, _) => Err(PrefixError::None),
        (Some((_, only)), None) => Ok(only),
        (Some((first, _)), Some((second, _))) => {
            let rest = matches.map(|(id, _)| *id);
            let all = [*first, *second].into_iter().chain(rest);
            let count = map.range(low..=high).count();
            Err(PrefixError::Ambiguous { count, first: all.take(CANDIDATES_MAX).collect() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_core::id::MandateId;

    fn map() -> BTreeMap<MandateId, &'static str> {
        [
            ("01J00000000000000000000001", "one"),
            ("01J00000000000000000000002", "two"),
            ("01K00000000000000000000000", "three"),
        ]
        .into_iter()
        .map(|(id, name)| (id.parse().unwrap(), name))
        .collect()
    }

    #[test]
    fn a_unique_prefix_finds_its_entity_in_either_case() {
        let map = map();
        for (prefix, found) in [
            ("01K", "three"),
            ("01k", "three"),
            ("01J00000000000000000000001", "one"),
            ("01j00000000000000000000002", "two"),
        ] {
            assert_eq!(find(&map, prefix), Ok(&found), "{prefix}");
        }
    }

    #[test]
    fn a_prefix_that_no_id_has_finds_nothing() {
        let map = map();
        for prefix in ["", "02", "8", "01L", "../x", "é", "01J000000000000000000000011"] {
            assert_eq!(find(&map, prefix), Err(PrefixError::None), "{prefix}");
        }
    }

    #[test]
    fn an_ambiguous_prefix_names_what_it_could_mean() {
        let map = map();
        let first: Vec<_> = map.keys().copied().collect();
        let both = PrefixError::Ambiguous { count: 2, first: first[..2].to_vec() };
        assert_eq!(find(&map, "01J"), Err(both));
        assert_eq!(find(&map, "0"), Err(PrefixError::Ambiguous { count: 3, first }));
    }
}
