//! From an argv to a command.
//!
//! Owns the order in which a command is judged: secrets, place, name, repository, arguments, policy.
//! The first that refuses decides. Executes one thing, where a rule asks for it: what a repository's
//! configuration says, behind the same walls.

use std::borrow::Cow;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kairos_sandbox::catalog::{
    Catalog, CheckError, CommandRule, Inputs, Place, Program, RepositoryConfig, ResolveError,
    Rewritten, Risk, Unlisted,
};
use kairos_sandbox::{Account, Command, Compiled, Exit, Limits, Stdin, compile};

use super::guard::Guarded;
use super::resolved::inputs;
use super::settings::{Current, Settings};
use super::{Asked, NotResolved, Resolved, Shell, Stop, redact};

/// How long a repository may take to tell its configuration.
const QUESTION: Duration = Duration::from_secs(10);

/// What a repository says at most when it cannot tell.
const SAID_BYTES_MAX: usize = 300;

/// A name, found.
struct Known<'a> {
    catalog: Cow<'a, Catalog>,
    program: Arc<Program>,
    beyond: bool,
}

impl Shell {
    /// Judges a command by the settings of now, and pins everything that was judged.
    pub fn resolve(&self, asked: &Asked) -> Result<Resolved, NotResolved> {
        let current = self.current();
        let settings = &current.settings;
        let (name, rest) = asked.argv.split_first().ok_or(NotResolved::Empty)?;
        if let Some(at) = redact::find(&asked.argv, &settings.secrets) {
            return Err(NotResolved::Secret { at });
        }
        let mut place = self.place(&asked.cwd, settings)?;
        let payload = self.payload(settings).map_err(NotResolved::Look)?;
        // As root a command is whoever owns the workspace, and that has to be somebody.
        if payload == Some(0) {
            return Err(NotResolved::RootOwned { workspace: self.workspace.clone() });
        }
        let name = name.to_string_lossy();
        let known = known(&current, &name)?;
        let guarded = Guarded::look(&self.workspace, &settings.scopes, payload)?;
        let rule = known.catalog.rule(&name).map_err(ResolveError::from)?;
        if let Some(question) = rule.question(&place) {
            let answer = self.answer(&question, &known.program, &place, &guarded, settings)?;
            place = place.with_repository(RepositoryConfig::parse(&answer)?);
        }
        let mut rewritten = rule.check(rest, &place).map_err(CheckError::from)?;
        if known.beyond {
            rewritten.grant.inputs = Inputs::NotBound {
                why: format!("`{name}` is in no catalogue, so nobody said what it executes"),
            };
        }
        let policy = self.policy(&rewritten, &place, &guarded, settings, None)?;
        Ok(Resolved {
            asked: asked.clone(),
            argv: known.program.argv(rewritten.argv.clone()),
            inputs: inputs(&place, &rewritten.grant),
            rule: rule.name().to_owned(),
            beyond: known.beyond,
            program: known.program,
            rewritten,
            place,
            policy,
        })
    }

    fn place(&self, cwd: &Path, settings: &Settings) -> Result<Place, NotResolved> {
        let down = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
        let whole = self.workspace.join(cwd);
        if !cwd.components().all(down) || !whole.is_dir() {
            return Err(NotResolved::Cwd { cwd: cwd.to_owned() });
        }
        let place = Place::new(&self.workspace, whole)?;
        Ok(match &settings.home {
            Some(home) => place.with_home(home),
            None => place,
        })
    }

    /// Who a command runs as, where that is not who we are.
    fn payload(&self, settings: &Settings) -> io::Result<Option<u32>> {
        if !is_root() {
            return Ok(None);
        }
        match settings.account {
            Account::Named { uid, .. } => Ok(Some(uid)),
            Account::Owner => Ok(Some(self.workspace.metadata()?.uid())),
        }
    }

    /// What the repository's configuration says.
    fn answer(
        &self,
        question: &Rewritten,
        program: &Program,
        place: &Place,
        guarded: &Guarded,
        settings: &Settings,
    ) -> Result<Vec<u8>, NotResolved> {
        let limits = Limits { wall: QUESTION, ..settings.limits.clone() };
        let policy = self.policy(question, place, guarded, settings, Some(limits))?;
        let binary = program.again().map_err(ResolveError::from)?.into_binary();
        let argv = program.argv(question.argv.clone());
        let command = Command { binary, argv, cwd: place.cwd().to_owned(), stdin: Stdin::Empty };
        let outcome = self.confined(command, &policy, &Stop::default());
        let outcome = outcome.map_err(NotResolved::Unasked)?;
        match outcome.exit {
            Exit::Code(0) if !outcome.stdout.truncated => Ok(outcome.stdout.bytes()),
            exit => {
                let said = redact::bytes(&outcome.stderr.head, &settings.secrets);
                let said = String::from_utf8_lossy(&said[..said.len().min(SAID_BYTES_MAX)]);
                let said = said.lines().next().unwrap_or("it is too long").to_owned();
                Err(NotResolved::Question { exit, said })
            }
        }
    }

    fn policy(
        &self,
        rewritten: &Rewritten,
        place: &Place,
        guarded: &Guarded,
        settings: &Settings,
        limits: Option<Limits>,
    ) -> Result<Compiled, NotResolved> {
        let mut policy = rewritten.policy(place);
        let guarded = guarded.for_mode(&self.workspace, policy.writes);
        policy.protect = guarded.protect;
        policy.hide = guarded.hide;
        policy.account = settings.account;
        policy.limits = limits.unwrap_or_else(|| settings.limits.clone());
        if !rewritten.grant.scratch.is_empty() {
            policy.caches = rewritten.caches(place, &self.keep(settings)?);
            for cache in &policy.caches {
                self.make(&cache.kept, settings)?;
            }
        }
        Ok(compile(&policy, &self.host)?)
    }

    /// The directory that kept ones are made in: for each account its own, where we are root.
    fn keep(&self, settings: &Settings) -> Result<PathBuf, NotResolved> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| NotResolved::Kept { path, source }
        };
        let above = self.kept.parent().unwrap_or(Path::new("/"));
        let Some(uid) = self.payload(settings).map_err(failed(&self.kept))? else {
            let top = above.parent().unwrap_or(Path::new("/"));
            let made = DirBuilder::new().recursive(true).mode(0o700).create(top);
            made.map_err(failed(top))?;
            self.make(above, settings)?;
            self.make(&self.kept, settings)?;
            return Ok(self.kept.clone());
        };
        // Root's own, so that nobody puts something else in the place of what is given away below; and
        // open to pass through, whatever the mask of new files is.
        let own = self.kept.join(uid.to_string());
        for dir in [above, &self.kept, &own] {
            DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(failed(dir))?;
            let found = dir.symlink_metadata().map_err(failed(dir))?;
            if !found.is_dir() || found.uid() != 0 {
                return Err(failed(dir)(io::Error::other("it is not root's own directory")));
            }
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(dir, mode).map_err(failed(dir))?;
        }
        Ok(own)
    }

    /// Makes a directory for a command to fill: the account's own, and nobody else's to see.
    fn make(&self, path: &Path, settings: &Settings) -> Result<(), NotResolved> {
        let made = || -> io::Result<()> {
            let payload = self.payload(settings)?;
            match DirBuilder::new().mode(0o700).create(path) {
                Ok(()) => payload
                    .map_or(Ok(()), |uid| std::os::unix::fs::lchown(path, Some(uid), None))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let found = path.symlink_metadata()?;
            let owner = payload.unwrap_or_else(|| rustix::process::geteuid().as_raw());
            match found.is_dir() && found.uid() == owner && found.mode() & 0o022 == 0 {
                true => Ok(()),
                false => Err(io::Error::other("it is not this account's own directory")),
            }
        };
        made().map_err(|source| NotResolved::Kept { path: path.to_owned(), source })
    }
}

/// The rule and the program of a name. One that nobody refuses and nobody lists has no rule but that
/// it stands for itself.
fn known<'a>(current: &'a Current, name: &str) -> Result<Known<'a>, NotResolved> {
    let catalog = &current.settings.catalog;
    match catalog.rule(name) {
        Err(Unlisted::Unknown { .. }) => {
            let rule = CommandRule {
                name: name.to_owned(),
                risk: Some(Risk::High),
                // A program that nobody described is called with anything.
                accept: vec![Vec::new()],
                ..CommandRule::default()
            };
            let catalog = catalog.clone().with(rule)?;
            // Not kept: there is no end of such names, and each would be a file that stays open.
            let program = Arc::new(catalog.resolve(name)?);
            Ok(Known { catalog: Cow::Owned(catalog), program, beyond: true })
        }
        Err(refused) => Err(ResolveError::from(refused).into()),
        Ok(_) => {
            let program = current.program(name)?;
            Ok(Known { catalog: Cow::Borrowed(catalog), program, beyond: false })
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
