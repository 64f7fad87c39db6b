//! From an argv to its outcome, behind real walls. Needs git and user namespaces.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kairos_core::gate::scope::Scopes;
use kairos_core::kind::Kind;
use kairos_core::path::RelPath;
use kairos_effects::secret::Secret;
use kairos_effects::shell::{
    Asked, BoundInputs, NotExecuted, NotResolved, Opening, Settings, Shell, Stop,
};
use kairos_sandbox::catalog::{Catalog, CommandRule, Effect, Risk, Trust};
use kairos_sandbox::{Account, Exit, Limits, Outcome, ProgramAt, WriteMode};

/// Owner of workspaces where the tests run as root.
const OWNER: u32 = 4242;

struct World {
    dir: tempfile::TempDir,
    shell: Shell,
}

impl World {
    fn new(settings: impl FnOnce(Settings) -> Settings) -> Self {
        let dir = tempfile::tempdir().expect("the world is made");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))
            .expect("the world is made");
        let workspace = dir.path().join("w");
        fs::create_dir(&workspace).expect("the world is made");
        give(&workspace);
        let opening = Opening {
            workspace: workspace.clone(),
            kept: dir.path().join("cache/kept"),
            program: program(),
            divides_cgroup: false,
        };
        let shell = Shell::open(opening, settings(plain(&workspace))).expect("the world is made");
        Self { dir, shell }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("w").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let whole = self.path(path);
        for dir in Path::new(path).ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
            fs::create_dir_all(self.path(dir.to_str().expect("the world is made")))
                .expect("the world is made");
            give(&self.path(dir.to_str().expect("the world is made")));
        }
        fs::write(&whole, text).expect("the world is made");
        give(&whole);
    }

    fn resolve(&self, argv: &[&str]) -> Result<kairos_effects::shell::Resolved, NotResolved> {
        self.shell.resolve(&asked(argv, ""))
    }

    fn outcome(&self, argv: &[&str]) -> Outcome {
        let resolved = self.resolve(argv).expect("the world is made");
        self.shell.execute(&resolved, &Stop::default()).expect("the world is made")
    }

    fn says(&self, argv: &[&str]) -> String {
        let outcome = self.outcome(argv);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the world is made");
        text(outcome.stdout.bytes()) + &text(outcome.stderr.bytes())
    }
}

/// The example beside these tests; whoever builds them builds it.
fn program() -> ProgramAt {
    let own = std::env::current_exe().expect("the world is made");
    let built = own.parent().and_then(Path::parent).expect("the world is made");
    ProgramAt::Path(built.join("examples/confine"))
}

fn plain(workspace: &Path) -> Settings {
    Settings {
        catalog: Catalog::shipped(Trust::system(workspace)),
        scopes: Scopes::default(),
        limits: Limits::default(),
        account: Account::Owner,
        home: None,
        secrets: Vec::new(),
    }
}

fn asked(argv: &[&str], cwd: &str) -> Asked {
    Asked { argv: argv.iter().map(OsString::from).collect(), cwd: cwd.into() }
}

fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(OWNER), Some(OWNER)).expect("the world is made");
    }
}

/// A repository made by git itself, and handed to the workspace's owner.
fn repository(world: &World) {
    let git = |args: &[&str]| {
        let done = Command::new("git")
            .args(["-c", "safe.directory=*", "-c", "user.name=a", "-c", "user.email=a@b"])
            .args(args)
            .current_dir(world.path(""))
            .output()
            .expect("the world is made");
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q"]);
    world.write("a.txt", "one\n");
    git(&["add", "a.txt"]);
    git(&["commit", "-qm", "first"]);
    let mut open = vec![world.path(".git")];
    while let Some(path) = open.pop() {
        give(&path);
        if path.is_dir() {
            open.extend(
                fs::read_dir(path)
                    .expect("the world is made")
                    .map(|entry| entry.expect("the world is made").path()),
            );
        }
    }
}

#[test]
fn git_is_asked_what_its_repository_says_and_then_answers() {
    let world = World::new(|settings| settings);
    repository(&world);
    world.write("a.txt", "two\n");
    let resolved = world.resolve(&["git", "status", "--short"]).unwrap();
    assert_eq!((resolved.rule(), resolved.is_beyond()), ("git", false));
    assert_eq!((resolved.risk(), resolved.effect()), (Risk::Low, Effect::Read));
    assert_eq!(resolved.mode(), WriteMode::ReadOnly);
    assert_eq!(resolved.inputs(), &BoundInputs::Bound(Vec::new()));
    assert!(resolved.argv().contains(&OsString::from("core.hooksPath=/dev/null")));
    let explained = resolved.explain().join("\n");
    for line in ["asked: git status --short", "risk: low", "network: none", "rule: git"] {
        assert!(explained.lines().any(|l| l == line), "{line}: {explained}");
    }
    assert_eq!(world.says(&["git", "status", "--short"]), " M a.txt\n");
}

#[test]
fn what_no_rule_takes_is_denied_and_says_what_would() {
    let world = World::new(|settings| settings);
    let refused = |argv: &[&str]| {
        let error = world.resolve(argv).unwrap_err();
        (error.kind(), error.to_string(), error.hint().is_some())
    };
    let (kind, said, hint) = refused(&["bash", "-c", "true"]);
    assert_eq!((kind, hint), (Kind::Denied, true), "{said}");
    let (kind, said, _) = refused(&["cat", "/etc/shadow"]);
    assert_eq!(kind, Kind::Denied, "{said}");
    assert!(matches!(world.resolve(&[]), Err(NotResolved::Empty)));
    for cwd in ["..", "/", "missing"] {
        let error = world.shell.resolve(&asked(&["ls"], cwd)).unwrap_err();
        assert!(matches!(error, NotResolved::Cwd { .. }), "{cwd}: {error}");
    }
}

#[test]
fn a_program_of_no_catalogue_is_beyond_it_and_bound_to_nothing() {
    let world = World::new(|settings| settings);
    let resolved = world.resolve(&["seq", "3"]).unwrap();
    assert!(resolved.is_beyond());
    assert_eq!(resolved.risk(), Risk::High);
    assert!(matches!(resolved.inputs(), BoundInputs::NotBound { .. }));
    assert_eq!(world.says(&["seq", "3"]), "1\n2\n3\n");
    let error = world.resolve(&["no-such-program"]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
}

#[test]
fn a_workspaces_secrets_and_the_daemons_own_are_not_there() {
    let secret: RelPath = "deploy/key.pem".parse().unwrap();
    let world = World::new(|settings| Settings {
        scopes: Scopes::new(Vec::new(), vec![secret]).unwrap(),
        ..settings
    });
    for path in [
        ".env",
        "web/app/.env.local",
        "deploy/key.pem",
        ".kairos/config/secrets.yml",
        "sub/.kairos/journal/1",
        ".kairos/knowledge/x.md",
        "AGENTS.md",
        "b.txt",
    ] {
        world.write(path, "held\n");
    }
    let shown = |path: &str| world.says(&["cat", path]);
    for path in [".env", "web/app/.env.local", "deploy/key.pem"] {
        assert_eq!(shown(path), "", "{path}");
    }
    for path in [".kairos/config/secrets.yml", "sub/.kairos/journal/1"] {
        assert!(shown(path).contains("No such file"), "{path}: {}", shown(path));
    }
    for path in [".kairos/knowledge/x.md", "AGENTS.md", "b.txt"] {
        assert_eq!(shown(path), "held\n", "{path}");
    }
    // What is l0 stays as it is; the work itself changes, in a layer.
    for (path, changes) in [("AGENTS.md", 0), (".kairos/knowledge/x.md", 0), ("b.txt", 1)] {
        let outcome = world.outcome(&["sed", "-i", "s/held/gone/", path]);
        let found: usize = outcome.changes.iter().map(|set| set.changes.len()).sum();
        assert_eq!(found, changes, "{path}: {outcome:?}");
        assert_eq!(fs::read_to_string(world.path(path)).unwrap(), "held\n");
    }
}

#[test]
fn a_link_hides_nothing_of_what_is_hidden() {
    let world = World::new(|settings| settings);
    world.write("real/config/secrets.yml", "held\n");
    world.write("shared/env", "held\n");
    std::os::unix::fs::symlink("real", world.path(".kairos")).unwrap();
    std::os::unix::fs::symlink("shared/env", world.path(".env")).unwrap();
    for path in ["real/config/secrets.yml", ".kairos/config/secrets.yml", ".env", "shared/env"] {
        assert!(!world.says(&["cat", path]).contains("held"), "{path}");
    }
}

#[test]
fn known_secrets_neither_go_in_nor_come_out() {
    let world = World::new(|settings| Settings {
        secrets: vec![Secret::new("hunter22hunter22")],
        ..settings
    });
    world.write("a.txt", "the key is hunter22hunter22!\n");
    assert_eq!(world.says(&["cat", "a.txt"]), "the key is [secret]!\n");
    let error = world.resolve(&["grep", "xhunter22hunter22x", "a.txt"]).unwrap_err();
    assert_eq!(error.to_string(), "argument 1 holds a known secret");
    let without = Settings { secrets: Vec::new(), ..plain(world.shell.workspace()) };
    world.shell.replace(without);
    assert_eq!(world.says(&["cat", "a.txt"]), "the key is hunter22hunter22!\n");
}

#[test]
fn a_command_that_is_stopped_ends_and_one_that_was_stopped_never_begins() {
    let world = World::new(|settings| settings);
    let resolved = world.resolve(&["sleep", "100"]).unwrap();
    let stop = Stop::default();
    let began = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| world.shell.execute(&resolved, &stop));
        stop.end();
        match waiting.join().unwrap() {
            Ok(outcome) => assert_eq!(outcome.exit, Exit::Killed),
            Err(NotExecuted::Stopped | NotExecuted::Sandbox(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    });
    assert!(began.elapsed() < Duration::from_secs(60));
    let error = world.shell.execute(&resolved, &stop).unwrap_err();
    assert!(matches!(error, NotExecuted::Stopped), "{error:?}");
}

#[test]
fn what_a_build_keeps_is_there_for_the_next_one_and_never_a_change() {
    let rule = CommandRule {
        name: "touch".into(),
        accept: vec![vec!["gen/a".into()]],
        scratch: vec!["gen".into()],
        inputs: Some(vec!["*.txt".into()]),
        ..CommandRule::default()
    };
    let world = World::new(|settings| Settings {
        catalog: settings.catalog.with(rule).unwrap(),
        ..settings
    });
    world.write("a.txt", "one");
    let resolved = world.resolve(&["touch", "gen/a"]).unwrap();
    assert!(!resolved.is_kept(Path::new("gen/a")) && resolved.is_kept(Path::new("a.txt")));
    assert_eq!(resolved.again_inputs(), *resolved.inputs());
    world.write("a.txt", "two");
    assert_ne!(resolved.again_inputs(), *resolved.inputs());
    let outcome = world.outcome(&["touch", "gen/a", "b.txt"]);
    let changed: Vec<_> = outcome.changes.iter().flat_map(|set| &set.changes).collect();
    assert_eq!(changed.len(), 1, "{outcome:?}");
    assert_eq!(changed[0].path, Path::new("b.txt"));
    assert!(!world.path("gen").exists() && !world.path("b.txt").exists());
    let mut kept = vec![world.dir.path().join("cache/kept")];
    let mut found = false;
    while let Some(path) = kept.pop() {
        found |= path.file_name().is_some_and(|name| name == "a");
        if path.is_dir() {
            kept.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(found);
}

#[test]
fn a_workspace_of_root_is_nobodys_to_run_in() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let world = World::new(|settings| settings);
    chown(world.path(""), Some(0), Some(0)).unwrap();
    let error = world.resolve(&["ls"]).unwrap_err();
    assert!(matches!(error, NotResolved::RootOwned { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Denied);
    let account = Account::Named { uid: OWNER, gid: OWNER };
    world.shell.replace(Settings { account, ..plain(world.shell.workspace()) });
    assert_eq!(world.outcome(&["ls"]).exit, Exit::Code(0));
}
