//! `kairos init`: the files a workspace needs, with every key explained.
//!
//! Owns the three commented files, `.kairos/.gitignore`, the directories, and that there is a key. Never overwrites: what
//! is there stays, and is said to be there. Says what it found, so that the next step is clear.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Env;
use crate::keys::{self, KeyError};
use crate::output::{Exit, Failure};
use crate::workspace::{self, Workspace};

const DAEMON: &str = include_str!("init/daemon.yml");
const SCHEDULES: &str = include_str!("init/schedules.yml");
const SECRETS: &str = include_str!("init/secrets.yml");

/// Only what kairos makes; configuration and knowledge belong into version control.
const GITIGNORE: &str = "/run/\n/journal/\n/blobs/\n/logs/\n/state/\n/keys/\n/checkpoints/\n";

/// The variables that a model's key is usually in.
const KEYS: [&str; 2] = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"];

/// What `init` did and found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Made {
    pub(crate) root: PathBuf,
    /// Files written now, relative to the root.
    pub(crate) written: Vec<PathBuf>,
    /// Files that were there and stayed as they are.
    pub(crate) kept: Vec<PathBuf>,
    /// Whether the root lies in a git repository.
    pub(crate) git: bool,
    /// Environment variables with a model's key; names only.
    pub(crate) api_keys: Vec<String>,
}

/// Why a workspace could not be prepared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    #[error("`{}` is not a directory", root.display())]
    NotADirectory { root: PathBuf },
    #[error("directory `{}` cannot be made", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the key for checkpoints cannot be made")]
    Key(#[from] KeyError),
    #[error("file `{}` cannot be written", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl InitError {
    /// What to do about it.
    fn hint(&self) -> String {
        match self {
            Self::NotADirectory { .. } => {
                "`kairos init DIR` takes a directory, made if it is missing".into()
            }
            Self::Directory { .. } | Self::File { .. } => {
                "`ls -ld` shows whose it is; `kairos init DIR` takes another place".into()
            }
            Self::Key(error) => error.hint(),
        }
    }
}

impl From<InitError> for Failure {
    /// Nothing could be started here: no decision was denied, whatever the system's reason is.
    fn from(error: InitError) -> Self {
        Self::of(Exit::Usage, "init", &error).hint(error.hint())
    }
}

/// Prepares `root`, which is made if it is missing.
///
/// # Errors
/// [`InitError`]; what was made before it stays.
pub(crate) fn init(root: &Path, env: &Env) -> Result<Made, InitError> {
    if root.exists() && !root.is_dir() {
        return Err(InitError::NotADirectory { root: root.to_owned() });
    }
    let failed = |path: &Path, source| InitError::Directory { path: path.to_owned(), source };
    workspace::make_root(root).map_err(|source| failed(root, source))?;
    let made = Workspace::at(root).and_then(|workspace| workspace.make());
    made.map_err(|source| failed(&root.join(".kairos"), source))?;
    let mut made = Made {
        root: root.to_owned(),
        written: Vec::new(),
        kept: Vec::new(),
        git: is_in_git(root),
        api_keys: KEYS.iter().filter(|k| env.get(k).is_some()).map(|&k| k.to_owned()).collect(),
    };
    for (name, text) in [
        (".kairos/config/daemon.yml", DAEMON),
        (".kairos/config/schedules.yml", SCHEDULES),
        (".kairos/config/secrets.yml", SECRETS),
        (".kairos/.gitignore", GITIGNORE),
    ] {
        let list = if write_new(root, name, text)? { &mut made.written } else { &mut made.kept };
        list.push(name.into());
    }
    let list = if keys::find_or_make(root)?.1 { &mut made.written } else { &mut made.kept };
    list.push(keys::KEY.into());
    Ok(made)
}

/// Writes a file that is not there; false if it is.
fn write_new(root: &Path, name: &str, text: &str) -> Result<bool, InitError> {
    let path = root.join(name);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    match written.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(InitError::File { path, source }),
    }
}

fn is_in_git(root: &Path) -> bool {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    root.ancestors().any(|parent| parent.join(".git").exists())
}

impl Made {
    /// What a person is told, with what to do next.
    #[must_use]
    pub(crate) fn story(&self) -> String {
        let mut lines = Vec::new();
        lines.extend(self.written.iter().map(|path| format!("wrote {}", path.display())));
        lines.extend(self.kept.iter().map(|path| format!("kept {} as it is", path.display())));
        lines.push(if self.git {
            "git: yes, so every edit can be seen with `git diff`".to_owned()
        } else {
            "git: no; `git init` first, to see every edit with `git diff`".to_owned()
        });
        lines.push(match &self.api_keys[..] {
            [] => "API keys in the environment: none; a local model needs none".to_owned(),
            keys => format!("API keys in the environment: {}", keys.join(", ")),
        });
        lines.push(crate::doctor::line());
        lines.push("next: name a model in .kairos/config/daemon.yml, then `kairos daemon`".into());
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::resolve::{Paths, load};

    /// Comment lines that are YAML lose their `#`; sentences begin with `# `.
    fn uncommented(text: &str) -> String {
        text.lines()
            .map(|line| match line.strip_prefix('#') {
                Some(yaml) if !yaml.starts_with(' ') || yaml.starts_with("  ") => yaml,
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn second_init_keeps_what_the_first_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::from([("OPENAI_API_KEY", "sk-something-long")]);
        let first = init(dir.path(), &env).unwrap();
        let names = [
            ".kairos/config/daemon.yml",
            ".kairos/config/schedules.yml",
            ".kairos/config/secrets.yml",
            ".kairos/.gitignore",
            ".kairos/keys/checkpoint.key",
        ]
        .map(PathBuf::from);
        let mut expected = Made {
            root: dir.path().to_owned(),
            written: names.to_vec(),
            kept: Vec::new(),
            git: false,
            api_keys: vec!["OPENAI_API_KEY".into()],
        };
        assert_eq!(first, expected);
        let mine = dir.path().join(".kairos/config/daemon.yml");
        std::fs::write(&mine, "max_running: 2\n").unwrap();
        (expected.written, expected.kept) = (Vec::new(), names.to_vec());
        assert_eq!(init(dir.path(), &env).unwrap(), expected);
        assert_eq!(std::fs::read_to_string(mine).unwrap(), "max_running: 2\n");
        let mode = std::fs::metadata(dir.path().join(".kairos")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn written_files_load_as_they_are_and_uncommented() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::from([("ANTHROPIC_API_KEY", "k")]);
        init(dir.path(), &env).unwrap();
        let paths = Paths::below(dir.path());
        let plain = load(dir.path(), &paths, &env, &[]).unwrap();
        assert_eq!((plain.schedules.len(), plain.warnings.len()), (0, 0));
        for path in [&paths.daemon, &paths.schedules, &paths.secrets] {
            let text = std::fs::read_to_string(path).unwrap();
            std::fs::write(path, uncommented(&text)).unwrap();
        }
        let full = load(dir.path(), &paths, &env, &[]).unwrap_or_else(|p| panic!("{p}"));
        assert_eq!((full.schedules.len(), full.warnings.len()), (1, 0), "{:?}", full.warnings);
        assert!(full.options.model.is_some());
        assert_eq!(full.rules.scopes.len(), 1);
    }

    #[test]
    fn a_file_in_place_of_the_root_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = init(&file, &Env::default()).unwrap_err();
        assert!(matches!(error, InitError::NotADirectory { .. }), "{error}");
        let error = init(&file.join("below"), &Env::default()).unwrap_err();
        assert!(matches!(error, InitError::Directory { .. }), "{error}");
    }

    #[test]
    fn a_place_that_may_not_be_written_is_a_failed_start_and_no_denied_decision() {
        let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem];
        let exits = kinds.map(|kind| {
            let (path, source) = (PathBuf::from("/there"), kind.into());
            Failure::from(InitError::Directory { path, source }).exit
        });
        assert_eq!(exits, [Exit::Usage, Exit::Usage]);
    }
}
