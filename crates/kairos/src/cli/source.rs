//! Where list and show read.
//!
//! Owns asking the daemon for entities in their public form. Never changes anything.

use kairos_wire::effect::Effects;
use kairos_wire::mandate::Mandates;
use kairos_wire::proposal::Proposals;
use kairos_wire::schedule::Schedules;
use kairos_wire::{Mandate, Proposal};

use super::{Root, ask};
use crate::output::Failure;

/// One page of mandates, newest first; from before the mandate `before`, if named.
pub(super) fn mandates(root: &Root, before: Option<&str>) -> Result<Mandates, Failure> {
    match before {
        Some(id) => get(root, &format!("/v1/mandates?before={}", segment(id)?)),
        None => get(root, "/v1/mandates"),
    }
}

pub(super) fn mandate(root: &Root, id: &str) -> Result<Mandate, Failure> {
    get(root, &format!("/v1/mandates/{}", segment(id)?))
}

pub(super) fn proposals(root: &Root) -> Result<Proposals, Failure> {
    get(root, "/v1/proposals")
}

pub(super) fn proposal(root: &Root, id: &str) -> Result<Proposal, Failure> {
    get(root, &format!("/v1/proposals/{}", segment(id)?))
}

pub(super) fn effects(root: &Root) -> Result<Effects, Failure> {
    get(root, "/v1/effects")
}

pub(super) fn schedules(root: &Root) -> Result<Schedules, Failure> {
    get(root, "/v1/schedules")
}

fn get<T: serde::de::DeserializeOwned>(root: &Root, path: &str) -> Result<T, Failure> {
    let client = root.client();
    ask::wait(async { Ok(client.get(path).await?) })
}

/// An id, or the beginning of one, as part of a path.
pub(super) fn segment(id: &str) -> Result<&str, Failure> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(id);
    }
    Err(Failure::usage(format!("`{id}` is not an id or the beginning of one")))
}

/// A schedule's name as part of a path: every byte that could mean something else is escaped.
pub(super) fn escaped(name: &str) -> String {
    use std::fmt::Write;

    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a string takes all that is written");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_to_another_route() {
        assert_eq!(escaped("nightly docs/../é"), "nightly%20docs%2F%2E%2E%2F%C3%A9");
    }
}
