//! What a git repository's configuration would have git start.
//!
//! Owns the reading of `git config --list -z`, and the overrides that leave the drivers it names
//! without a program. Pure: the listing is an input, and the caller gets it by running the argv that
//! [`ArgvRule::question`](super::ArgvRule::question) gives. Never keeps a value but the object format.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::kind::Kind;

/// More drivers than this are refused: the overrides would fill the argv.
const DRIVERS_MAX: usize = 64;
const LISTING_BYTES_MAX: usize = 4 << 20;

/// The tree with nothing in it, which has an id in every repository without being stored in one.
const EMPTY_TREE_SHA1: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const EMPTY_TREE_SHA256: &str = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";

/// The drivers that a repository's configuration names, and its object format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryConfig {
    /// `filter.NAME.clean`, `.smudge` and `.process`: started by status, diff and ls-files.
    filters: BTreeSet<Vec<u8>>,
    /// `merge.NAME.driver`: started by a merge that a log shows again.
    mergers: BTreeSet<Vec<u8>>,
    sha256: bool,
}

/// Why a listing says nothing that can be built on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    #[error(
        "the listing of the repository's configuration has {bytes} bytes, and {LISTING_BYTES_MAX} are read"
    )]
    TooLong { bytes: usize },
    #[error("the listing of the repository's configuration ends in the middle of an entry")]
    Cut,
    #[error(
        "the repository's configuration names {drivers} drivers, and {DRIVERS_MAX} can be overridden"
    )]
    TooMany { drivers: usize },
    #[error("the driver `{driver}` has a name that no override can spell")]
    Name { driver: String },
}

impl ListingError {
    pub fn kind(&self) -> Kind {
        Kind::Refused
    }
}

impl RepositoryConfig {
    /// Reads what `git config --list -z` printed.
    pub fn parse(listing: &[u8]) -> Result<Self, ListingError> {
        if listing.len() > LISTING_BYTES_MAX {
            return Err(ListingError::TooLong { bytes: listing.len() });
        }
        let Some(entries) = listing.strip_suffix(b"\0") else {
            return if listing.is_empty() { Ok(Self::default()) } else { Err(ListingError::Cut) };
        };
        let mut config = Self::default();
        for entry in entries.split(|b| *b == 0) {
            // An entry without a value has no line break.
            let end = entry.iter().position(|b| *b == b'\n');
            let (key, value) =
                end.map_or((entry, None), |at| (&entry[..at], Some(&entry[at + 1..])));
            config.take(key, value)?;
        }
        match config.filters.len() + config.mergers.len() {
            drivers if drivers > DRIVERS_MAX => Err(ListingError::TooMany { drivers }),
            _ => Ok(config),
        }
    }

    fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), ListingError> {
        if key.eq_ignore_ascii_case(b"extensions.objectformat") {
            self.sha256 = value.is_some_and(|value| value.eq_ignore_ascii_case(b"sha256"));
        }
        for (section, drivers) in
            [(&b"filter."[..], &mut self.filters), (&b"merge."[..], &mut self.mergers)]
        {
            let Some(rest) = strip_prefix_ignoring_case(key, section) else { continue };
            let Some(dot) = rest.iter().rposition(|b| *b == b'.') else { continue };
            let driver = &rest[..dot];
            // `-c` takes everything before the first `=` as the key, and a line break ends it.
            if driver.contains(&b'=') || driver.contains(&b'\n') {
                let driver = String::from_utf8_lossy(driver).into_owned();
                return Err(ListingError::Name { driver });
            }
            drivers.insert(driver.to_owned());
        }
        Ok(())
    }

    /// Whether status, diff or add would start a filter of the repository's own.
    pub fn filters(&self) -> impl Iterator<Item = &[u8]> {
        self.filters.iter().map(Vec::as_slice)
    }

    /// The id of the tree with nothing in it.
    pub(crate) fn empty_tree(&self) -> &'static str {
        if self.sha256 { EMPTY_TREE_SHA256 } else { EMPTY_TREE_SHA1 }
    }

    /// `-c KEY=VALUE` for every driver, so that none has a program.
    pub(crate) fn overrides(&self) -> Vec<OsString> {
        let mut overrides = Vec::new();
        let mut set = |section: &[u8], driver: &[u8], rest: &[u8]| {
            overrides.push(OsString::from("-c"));
            overrides.push(OsString::from_vec([section, driver, rest].concat()));
        };
        for driver in &self.filters {
            set(b"filter.", driver, b".clean=");
            set(b"filter.", driver, b".smudge=");
            set(b"filter.", driver, b".process=");
            set(b"filter.", driver, b".required=false");
        }
        for driver in &self.mergers {
            set(b"merge.", driver, b".driver=false");
        }
        overrides
    }
}

fn strip_prefix_ignoring_case<'a>(bytes: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_driver_of_the_listing_loses_its_programs() {
        let listing = b"core.bare\nfalse\0filter.a.b.clean\nx\ny\0filter.lfs.process\nz\0\
                        merge.m.driver\nz\0merge.tool\nvimdiff\0filter.novalue.clean\0";
        let config = RepositoryConfig::parse(listing).unwrap();
        let filters: Vec<_> = config.filters().collect();
        assert_eq!(filters, [&b"a.b"[..], b"lfs", b"novalue"]);
        let overrides = config.overrides();
        assert_eq!(overrides.len(), 3 * 8 + 2);
        assert_eq!(overrides[..4], ["-c", "filter.a.b.clean=", "-c", "filter.a.b.smudge="]);
        assert_eq!(overrides[24..], ["-c", "merge.m.driver=false"]);
        assert_eq!(config.empty_tree(), EMPTY_TREE_SHA1);
    }

    #[test]
    fn an_object_format_is_minded() {
        let config = RepositoryConfig::parse(b"extensions.objectformat\nsha256\0").unwrap();
        assert_eq!(config.empty_tree(), EMPTY_TREE_SHA256);
    }

    #[test]
    fn a_listing_that_cannot_be_built_on_is_refused() {
        let parse = |listing: &[u8]| RepositoryConfig::parse(listing).unwrap_err();
        assert_eq!(RepositoryConfig::parse(b""), Ok(RepositoryConfig::default()));
        assert_eq!(parse(b"core.bare\nfal"), ListingError::Cut);
        assert_eq!(parse(b"filter.a=b.clean\nx\0"), ListingError::Name { driver: "a=b".into() });
        let many: Vec<u8> =
            (0..65).flat_map(|n| format!("filter.f{n}.clean\nx\0").into_bytes()).collect();
        assert_eq!(parse(&many), ListingError::TooMany { drivers: 65 });
        let long = vec![b'x'; LISTING_BYTES_MAX + 1];
        assert_eq!(parse(&long), ListingError::TooLong { bytes: long.len() });
    }
}
