//! Operators' entries.

use std::ffi::OsString;

use kairos_sandbox::PathRule;
use kairos_sandbox::catalog::{
    Catalog, CommandError, CommandRule, Inputs, Place, RepositoryConfig, Risk, Starts, Violation,
};

use kairos_sandbox::policy::{HostPort, Net};

use super::{catalog, words};

fn argvs(argvs: &[&[&str]]) -> Vec<Vec<String>> {
    argvs.iter().map(|argv| argv.iter().map(|word| (*word).to_owned()).collect()).collect()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn mytool() -> CommandRule {
    CommandRule {
        name: "mytool".into(),
        accept: argvs(&[&["build", "-v"]]),
        refuse: argvs(&[&["build", "--output=/etc/x"], &["deploy"]]),
        subcommands: strings(&["build", "check"]),
        refuse_flags: strings(&["--output", "-o"]),
        ..CommandRule::default()
    }
}

fn place() -> Place {
    Place::new("/w", "/w").unwrap().with_repository(RepositoryConfig::default())
}

fn error(rule: CommandRule) -> CommandError {
    catalog().with(rule).unwrap_err()
}

fn check(catalog: &Catalog, name: &str, argv: &[&str]) -> bool {
    catalog.check(name, &words(argv), &place()).is_ok()
}

#[test]
fn an_entry_of_ones_own_holds_its_bounds() {
    let catalog = catalog().with(mytool()).unwrap();
    assert!(catalog.names().any(|name| name == "mytool"));
    assert!(check(&catalog, "mytool", &["check", "a;b", "$(x)"]));
    for argv in [
        &["deploy"][..],
        &[],
        &["build", "--output=x"],
        &["build", "--output"],
        &["build", "--outp=x"],
        &["build", "-output", "x"],
        &["build", "-o"],
        &["build", "-ox"],
        &["build", "-vo"],
        &["-v", "build"],
    ] {
        assert!(!check(&catalog, "mytool", argv), "{argv:?}");
    }
    let grant = catalog.check("mytool", &words(&["build"]), &place()).unwrap().grant;
    assert_eq!((grant.risk, grant.starts), (Risk::Medium, Starts::Any));
    let why = "the entry of `mytool` names no `inputs:`".to_owned();
    assert_eq!(grant.inputs, Inputs::NotBound { why });
}

#[test]
fn what_came_with_a_program_is_found_beside_it() {
    let entry = |name: &str| CommandRule {
        name: name.into(),
        path: Some(format!("/opt/x/bin/{name}").into()),
        reads: strings(&["/opt/x", "~/.x"]),
        accept: argvs(&[&["build"]]),
        ..CommandRule::default()
    };
    let path = OsString::from("/opt/x/bin:/usr/local/bin:/usr/bin:/bin");
    for name in ["cargo", "mytool"] {
        let catalog = catalog().with(entry(name)).unwrap();
        let rewritten = catalog.check(name, &words(&["build"]), &place()).unwrap();
        assert!(rewritten.env.contains(&("PATH".to_owned(), path.clone())), "{name}");
        let policy = rewritten.policy(&place().with_home("/srv/ada"));
        for path in ["/opt/x", "/srv/ada/.x"] {
            assert!(policy.read.contains(&PathRule::optional(path)), "{name}: {path}");
        }
        assert_eq!(policy.env.set.iter().filter(|(name, _)| name == "PATH").count(), 1);
    }
    // Git is left without git, wherever it is.
    let git = CommandRule { accept: vec![], ..entry("git") };
    let git = catalog().with(git).unwrap().check("git", &words(&["status"]), &place()).unwrap();
    let shipped = catalog().check("git", &words(&["status"]), &place()).unwrap();
    assert_eq!(git.env, shipped.env);
    for path in ["opt", "", "~", "/a/../b"] {
        let wrong = CommandRule { reads: strings(&[path]), ..entry("mytool") };
        assert_eq!(error(wrong), CommandError::Reads { name: "mytool".into(), path: path.into() });
    }
}

#[test]
fn an_entry_is_checked_against_its_own_examples() {
    let refuses = CommandRule { accept: argvs(&[&["build", "-o", "x"]]), ..mytool() };
    assert_eq!(
        error(refuses),
        CommandError::Refuses {
            name: "mytool".into(),
            argv: "build -o x".into(),
            violation: Violation::Refused {
                tool: "mytool".into(),
                option: "-o".into(),
                reason: "the entry in daemon.yml refuses it".into(),
            },
        }
    );
    let accepts = CommandRule { refuse: argvs(&[&["build", "--fast"]]), ..mytool() };
    let accepts = error(accepts);
    assert_eq!(
        accepts.to_string(),
        "the entry of `mytool` accepts `build --fast`, which it says it refuses"
    );
    assert!(accepts.hint().contains("`refuse_flags:`"));
    let twice = catalog().with(mytool()).unwrap().with(mytool()).unwrap_err();
    assert_eq!(twice, CommandError::Twice { name: "mytool".into() });
    let none = CommandRule { accept: Vec::new(), ..mytool() };
    assert_eq!(error(none), CommandError::NoExample { name: "mytool".into() });
}

#[test]
fn an_entry_that_is_not_well_formed_says_what_is_wrong() {
    let message = |rule| error(rule).to_string();
    for name in ["", "a/b", "/usr/bin/x", "-x", ".x", "a b", "é"] {
        let rule = CommandRule { name: name.into(), ..mytool() };
        assert_eq!(message(rule), format!("`{name}` is no name of a program"));
    }
    for path in ["bin/x", "/opt/../x"] {
        let rule = CommandRule { path: Some(path.into()), ..mytool() };
        assert_eq!(
            message(rule),
            format!("the path `{path}` of `mytool` is not absolute and plain")
        );
    }
    for host in
        ["a", "a:", "a:0", "a:65536", ":1", "*.a:443", "a b:1", "http://a:1", "[::g]:1", "a..b:1"]
    {
        let rule = CommandRule { network: strings(&[host]), ..mytool() };
        assert_eq!(
            message(rule),
            format!("`{host}`, which `mytool` may connect to, is no `host:port`")
        );
    }
    for flag in ["", "-", "--", "output"] {
        let rule = CommandRule { refuse_flags: strings(&[flag]), ..mytool() };
        assert_eq!(message(rule), format!("`{flag}`, which `mytool` refuses, is no flag"));
    }
    for path in ["", "/etc", "../x", "a/../../x"] {
        let rule = CommandRule { scratch: strings(&[path]), ..mytool() };
        assert_eq!(message(rule), format!("`{path}` of `mytool` does not stay in the workspace"));
    }
    let rule = CommandRule { inputs: Some(strings(&["!../x"])), ..mytool() };
    assert_eq!(message(rule), "`../x` of `mytool` does not stay in the workspace");
}

#[test]
fn a_network_makes_an_entry_a_high_risk() {
    let network = strings(&["crates.io:443", "[::1]:80", "10.0.0.1:22"]);
    let rule = CommandRule { network: network.clone(), risk: Some(Risk::Low), ..mytool() };
    let catalog = catalog().with(rule).unwrap();
    let grant = catalog.check("mytool", &words(&["build"]), &place()).unwrap().grant;
    let hosts = network.iter().map(|host| HostPort::parse(host).unwrap()).collect();
    assert_eq!((grant.risk, grant.net), (Risk::High, Net::Allow(hosts)));
}

#[test]
fn an_interpreter_comes_with_an_entry_and_keeps_its_shipped_rule() {
    let python = CommandRule {
        name: "python3".into(),
        risk: Some(Risk::Medium),
        accept: argvs(&[&["-c", "print(1)"]]),
        ..CommandRule::default()
    };
    let catalog = catalog().with(python.clone()).unwrap();
    let rewritten = catalog.check("python3", &words(&["-c", "print(1)"]), &place()).unwrap();
    assert_eq!(rewritten.argv, words(&["python3", "-E", "-s", "-B", "-c", "print(1)"]));
    let script = catalog.check("python3", &words(&["x.py", "-i", "/etc"]), &place()).unwrap();
    let Inputs::Bound { named, .. } = script.grant.inputs else { panic!() };
    assert_eq!(named, [std::path::Path::new("x.py")]);
    assert!(!check(&catalog, "python3", &["/etc/x.py"]));
    assert!(!check(&catalog, "python3", &["-i", "x.py"]));
    assert!(!check(&catalog, "python3", &["-X", "importtime", "x.py"]));
    assert!(!check(&catalog, "python3", &[]));
    assert!(!check(&catalog, "python3", &["-"]));
    assert!(!check(&catalog, "python3", &["-u"]));
    assert!(check(&catalog, "python3", &["--version"]));
    let none = CommandRule { accept: Vec::new(), ..python.clone() };
    assert_eq!(error(none), CommandError::NoExample { name: "python3".into() });
    let less = CommandRule { risk: Some(Risk::Low), ..python };
    assert_eq!(error(less), CommandError::Risk { name: "python3".into() });
}

/// The entries of docs/commands.md.
#[test]
fn the_entries_of_the_manual_hold() {
    let entries = [
        CommandRule {
            name: "python3".into(),
            accept: argvs(&[&["-c", "print(1)"], &["tools/check.py"]]),
            ..CommandRule::default()
        },
        CommandRule {
            name: "cargo".into(),
            path: Some("/opt/rust/bin/cargo".into()),
            subcommands: strings(&["build", "test"]),
            ..CommandRule::default()
        },
        CommandRule {
            name: "protoc".into(),
            accept: argvs(&[&["--version"], &["--rust_out=gen", "a.proto"]]),
            refuse: argvs(&[&["--plugin=protoc-gen-x=./x", "a.proto"]]),
            refuse_flags: strings(&["--plugin"]),
            inputs: Some(Vec::new()),
            scratch: strings(&["gen"]),
            ..CommandRule::default()
        },
    ];
    let catalog = entries.into_iter().try_fold(catalog(), Catalog::with).unwrap();
    assert!(!check(&catalog, "cargo", &["run"]));
    let grant = catalog.check("protoc", &words(&["a.proto"]), &place()).unwrap().grant;
    assert_eq!((grant.inputs, grant.scratch), (Inputs::none(), strings(&["gen"])));
}

#[test]
fn the_manual_names_every_program() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let missing: Vec<String> = catalog()
        .names()
        .map(|name| format!("`{name}`"))
        .filter(|name| !manual.contains(name))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn a_program_refused_by_name_is_lifted_by_an_entry_alone() {
    let curl = CommandRule {
        name: "curl".into(),
        network: strings(&["example.org:443"]),
        accept: argvs(&[&["-sS", "https://example.org/"]]),
        refuse: argvs(&[&["-K", "x"], &["-o", "x"], &["--conf", "x"]]),
        refuse_flags: strings(&["-K", "--config", "-o", "--output", "-O", "-T"]),
        ..CommandRule::default()
    };
    let catalog = catalog().with(curl).unwrap();
    assert!(check(&catalog, "curl", &["-sS", "https://example.org/"]));
    assert!(!check(&catalog, "curl", &["-sSo", "x", "https://example.org/"]));
    assert!(!check(&catalog, "wget", &["https://example.org/"]));
}

#[test]
fn an_entry_tightens_a_shipped_rule_and_never_loosens_it() {
    let git = CommandRule {
        name: "git".into(),
        subcommands: strings(&["status", "log"]),
        refuse_flags: strings(&["--follow"]),
        refuse: argvs(&[&["diff"], &["log", "--output=x"]]),
        accept: argvs(&[&["log", "-5"]]),
        scratch: strings(&["cache"]),
        ..CommandRule::default()
    };
    let tightened = catalog().with(git.clone()).unwrap();
    assert!(check(&tightened, "git", &["status"]));
    assert!(!check(&tightened, "git", &["diff"]));
    assert!(!check(&tightened, "git", &["log", "--follow", "a"]));
    assert!(!check(&tightened, "git", &["log", "--output=x"]));
    let unknown = CommandRule { subcommands: strings(&["push"]), ..git.clone() };
    let expected = CommandError::Subcommand { name: "git".into(), subcommand: "push".into() };
    assert_eq!(error(unknown), expected);
    let loosened = CommandRule { accept: argvs(&[&["status", "-v"]]), ..git };
    assert!(matches!(error(loosened), CommandError::Refuses { .. }));
}
