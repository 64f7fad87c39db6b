//! The environment, read in this one place.

/// What kairos reads from its environment.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    /// `KAIROS_ROOT`: the workspace, when `--root` is absent.
    pub(crate) root: Option<String>,
    /// `TZ`: this machine's zone, for `day_zone: local`.
    pub(crate) tz: Option<String>,
}

impl Environment {
    pub(crate) fn read() -> Self {
        Self { root: variable("KAIROS_ROOT"), tz: variable("TZ") }
    }
}

/// One variable by name, as `secrets.yml` and providers name them; empty counts as absent.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
