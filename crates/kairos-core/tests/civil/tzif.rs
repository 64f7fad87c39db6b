//! Zone data, read from its bytes (RFC 9636).

use std::collections::BTreeMap;

use crate::posix;

/// The years whose changes of the clock are looked at, the last one exclusive, and one more on
/// either side for their neighbours.
const LAST_YEAR: i64 = 2040;

/// What a zone's clock does: an offset from UTC in seconds, and from when on it is another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Zone {
    first: i64,
    /// Seconds since 1970 and the offset from then on, in order; an offset may come twice in a row.
    pub(crate) changes: Vec<(i64, i64)>,
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// A big-endian signed number of that many bytes.
    fn number(&mut self, bytes: usize) -> i64 {
        let taken = self.take(bytes);
        let begin = if taken[0] >= 128 { -1 } else { 0 };
        taken.iter().fold(begin, |number, byte| (number << 8) | i64::from(*byte))
    }

    fn count(&mut self) -> usize {
        usize::try_from(self.number(4)).expect("a count")
    }
}

/// How many of each kind a block has, in the order of the header.
struct Counts {
    utc: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    letters: usize,
}

impl Counts {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        assert_eq!(bytes.take(4), b"TZif");
        let version = bytes.take(1)[0];
        assert!(version >= b'2', "64-bit data is wanted");
        bytes.take(15);
        let mut next = || bytes.count();
        let (utc, standard, leaps) = (next(), next(), next());
        Self { utc, standard, leaps, times: next(), types: next(), letters: next() }
    }

    /// The bytes after the times, types and letters, where a time has that many.
    fn rest(&self, time: usize) -> usize {
        self.leaps * (time + 4) + self.standard + self.utc
    }
}

impl Zone {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut bytes = Bytes(bytes);
        let old = Counts::read(&mut bytes);
        bytes.take(old.times * 5 + old.types * 6 + old.letters + old.rest(4));
        let counts = Counts::read(&mut bytes);
        let times: Vec<i64> = (0..counts.times).map(|_| bytes.number(8)).collect();
        let kinds = bytes.take(counts.times);
        let types: Vec<i64> = (0..counts.types)
            .map(|_| {
                let offset = bytes.number(4);
                bytes.take(2);
                offset
            })
            .collect();
        bytes.take(counts.letters + counts.rest(8));
        let footer = std::str::from_utf8(bytes.0).expect("a footer is ASCII").trim_matches('\n');
        let offsets = kinds.iter().map(|kind| types[usize::from(*kind)]);
        let mut changes: BTreeMap<i64, i64> = times.into_iter().zip(offsets).collect();
        let last = changes.keys().next_back().copied().unwrap_or(i64::MIN);
        if !footer.is_empty() {
            let rule = posix::Rule::read(footer);
            let yearly = (1970..LAST_YEAR + 2).flat_map(|year| rule.changes(year));
            changes.extend(yearly.filter(|(at, _)| *at > last));
        }
        Self { first: types[0], changes: changes.into_iter().collect() }
    }

    pub(crate) fn offset(&self, at: i64) -> i64 {
        let after = self.changes.partition_point(|(change, _)| *change <= at);
        after.checked_sub(1).map_or(self.first, |before| self.changes[before].1)
    }

    /// The instants from 2000 to 2037 at which the offset becomes another.
    pub(crate) fn judged(&self) -> Vec<i64> {
        let (from, until) = (946_684_800, 2_145_916_800);
        let turns = |at: &i64| self.offset(*at - 1) != self.offset(*at);
        let within = self.changes.iter().map(|(at, _)| *at).filter(|at| (from..until).contains(at));
        within.filter(turns).collect()
    }

    /// What the clock does from 1999 to 2038: zones with the same have the same table.
    pub(crate) fn table(&self) -> Self {
        let (from, until) = (915_148_800, 2_177_452_800);
        let changes = self.changes.iter().filter(|(at, _)| (from..until).contains(at));
        let changes = changes.filter(|(at, _)| self.offset(*at - 1) != self.offset(*at));
        Self { first: self.offset(from), changes: changes.copied().collect() }
    }
}
