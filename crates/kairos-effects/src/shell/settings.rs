//! What a configuration says of commands.
//!
//! Owns the values that a reload replaces as a whole, and the programs that were looked at under them:
//! each is read once and looked at again for each command. Reads no file of a configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kairos_core::gate::scope::Scopes;
use kairos_sandbox::catalog::{Catalog, Program, ResolveError};
use kairos_sandbox::{Account, Limits};

use crate::secret::Secret;

/// What counts for every command.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names and their rules, the operator's own among them.
    pub catalog: Catalog,
    /// Which paths of the workspace are protected, and which are the daemon's own or hold secrets.
    pub scopes: Scopes,
    pub limits: Limits,
    pub account: Account,
    /// Below which toolchains are read: absolute, and reachable for the account.
    pub home: Option<PathBuf>,
    /// Known secrets: no argv may hold one, no output shows one.
    pub secrets: Vec<Secret>,
}

/// Settings in force, and what was found under them.
pub(super) struct Current {
    pub(super) settings: Settings,
    programs: Mutex<BTreeMap<String, Arc<Program>>>,
}

impl Current {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, programs: Mutex::default() }
    }

    /// The program of a name of the catalogue, read once, and anew when the file became another one since.
    pub(super) fn program(&self, name: &str) -> Result<Arc<Program>, ResolveError> {
        let known = self.lock().get(name).cloned();
        if let Some(program) = known.filter(|program| program.is_unchanged()) {
            return Ok(program);
        }
        // Reading a large one takes a while, in which others need not wait.
        let program = Arc::new(self.settings.catalog.resolve(name)?);
        self.lock().insert(name.to_owned(), Arc::clone(&program));
        Ok(program)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Program>>> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
