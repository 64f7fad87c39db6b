//! Programs that are refused by name.
//!
//! Owns the reading of `rules/refused.toml`: groups of names, each with one reason. A name in here is
//! lifted by an operator's entry and by nothing else.

use std::collections::BTreeMap;

use serde::Deserialize;

const FILE: &str = include_str!("rules/refused.toml");

/// Names, each with the reason.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    reasons: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    reason: String,
    names: Vec<String>,
}

impl Refused {
    pub(crate) fn read() -> Self {
        let groups: BTreeMap<String, Group> =
            toml::from_str(FILE).expect("the shipped names read, a test holds it");
        let named = |group: Group| {
            let reason = group.reason;
            group.names.into_iter().map(move |name| (name, reason.clone()))
        };
        Self { reasons: groups.into_values().flat_map(named).collect() }
    }

    pub(crate) fn reason(&self, name: &str) -> Option<&str> {
        self.reasons.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_refused_with_its_reason() {
        let refused = Refused::read();
        let wrapper = "it starts the program its arguments name, past that program's rule";
        assert_eq!(refused.reason("env"), Some(wrapper));
        assert_eq!(refused.reason("busybox"), Some(wrapper));
        assert_eq!(refused.reason("git"), None);
    }
}
