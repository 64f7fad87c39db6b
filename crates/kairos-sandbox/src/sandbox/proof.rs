//! Whether the walls hold here, by trying them.
//!
//! Owns the one command that is its own victim, and the memory that it held: for this open program, this
//! boot and this kernel. That is never kept in a file, where it could be forged; it takes as long as one
//! command.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Mutex, PoisonError};

use super::{NOBODY, RunError, Sandbox};
use crate::catalog::Binary;
use crate::command::{Command, Stdin};
use crate::compile::compile;
use crate::enforcement::{Layer, State};
use crate::inside::PROVE;
use crate::inside::prove::{HELD, RULED};
use crate::outcome::Exit;
use crate::policy::{Account, Policy};
use crate::probe::Capabilities;

/// What held, if anything was tried yet.
#[derive(Debug, Default)]
pub(super) struct Proven(Mutex<Option<Ground>>);

/// What a proof is worth nothing without.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ground {
    boot: String,
    kernel: String,
    policy: [u8; 32],
}

impl Sandbox {
    /// Tries a few things that no command may do, as a command under the default policy, and fails with
    /// the layers through which any of them works. To be done once at each start; what held is not tried
    /// again by this sandbox as long as boot and kernel are the same.
    pub fn prove(&self, host: &Capabilities) -> Result<(), RunError> {
        // Without a workspace nobody owns it: as root, the account that owns nothing.
        let account = match rustix::process::geteuid().is_root() {
            true => Account::Named { uid: NOBODY, gid: NOBODY },
            false => Account::Owner,
        };
        let broken = |holes| RunError::Unproven { holes };
        let policy = Policy { account, ..Policy::default() };
        let policy = compile(&policy, host).map_err(|error| broken(error.to_string()))?;
        let ground = Ground::now(policy.hash());
        let mut proven = self.proven.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proven.as_ref() == Some(&ground) {
            return Ok(());
        }
        let binary = Binary::open(&self.path).map_err(|error| broken(error.to_string()))?;
        let mut argv: Vec<OsString> =
            self.argv.iter().map(|arg| OsStr::from_bytes(arg.to_bytes()).to_owned()).collect();
        if !matches!(policy.enforcement().of(Layer::Landlock), State::Absent { .. }) {
            argv.push(RULED.into());
        }
        argv.push(PROVE.into());
        let command = Command { binary, argv, cwd: "/tmp".into(), stdin: Stdin::Empty };
        let outcome = self.run(command, &policy)?;
        match (outcome.exit, outcome.stdout.bytes()) {
            (Exit::Code(0), said) if said == HELD.as_bytes() => {
                *proven = Some(ground);
                Ok(())
            }
            (Exit::Code(0), said) => Err(broken(String::from_utf8_lossy(&said).into_owned())),
            (exit, _) => Err(broken(format!("the proof ended with {exit:?}"))),
        }
    }
}

impl Ground {
    fn now(policy: [u8; 32]) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let name = rustix::system::uname();
        let kernel = format!("{:?} {:?}", name.release(), name.version());
        Self { boot, kernel, policy }
    }
}
