//! The environment, read in this one place.

/// What kairos reads from its environment.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    /// `TZ`: this machine's zone, for `day_zone: local`.
    pub(crate) tz: Option<String>,
}

impl Environment {
    pub(crate) fn read() -> Self {
        Self { tz: variable("TZ") }
    }
}

/// One variable by name, as `secrets.yml` and providers name them; empty counts as absent.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
