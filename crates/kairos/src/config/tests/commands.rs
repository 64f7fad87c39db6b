//! `commands:` and `commands_as:` as operators write them, good and bad.

use kairos_sandbox::catalog::{CommandRule, Risk};

use super::{read, told};

#[test]
fn an_entry_says_what_a_rule_has() {
    let daemon = "\
commands:
  - name: python3
    accept: [[\"-c\", \"print(1)\"], [tools/check.py, 3]]
    network: none
  - name: protoc
    path: /opt/protoc/bin/protoc
    risk: high
    accept: [[--version]]
    refuse: [[--plugin=x, a.proto]]
    refuse_flags: [--plugin]
    inputs: []
    scratch: [gen]
    interpreters: [python3]
  - {name: fetch, accept: [[]], network: {allow: [\"example.org:443\"]}}
";
    let resolved = read(daemon, "", "").unwrap_or_else(|problems| panic!("{problems}"));
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let python = CommandRule {
        name: "python3".into(),
        accept: vec![words(&["-c", "print(1)"]), words(&["tools/check.py", "3"])],
        ..CommandRule::default()
    };
    let protoc = CommandRule {
        name: "protoc".into(),
        path: Some("/opt/protoc/bin/protoc".into()),
        risk: Some(Risk::High),
        accept: vec![words(&["--version"])],
        refuse: vec![words(&["--plugin=x", "a.proto"])],
        refuse_flags: words(&["--plugin"]),
        inputs: Some(Vec::new()),
        scratch: words(&["gen"]),
        interpreters: words(&["python3"]),
        ..CommandRule::default()
    };
    let fetch = CommandRule {
        name: "fetch".into(),
        accept: vec![Vec::new()],
        network: words(&["example.org:443"]),
        ..CommandRule::default()
    };
    assert_eq!(resolved.options.commands.rules, [python, protoc, fetch]);
    assert_eq!(resolved.options.commands.run_as, None);
}

#[test]
fn what_is_wrong_with_an_entry_is_told_where_it_stands() {
    let first = |entry: &str| {
        let problems = told(read(&format!("commands:\n  - {{{entry}}}\n"), "", ""));
        problems.into_iter().next().unwrap_or_default()
    };
    for (entry, expected) in [
        ("name: protoc", "daemon:2:5 [{] `protoc` has no argv it must accept | "),
        ("name: a/b, accept: [[]]", "daemon:2:12 [a/b] `a/b` is no name of a program | "),
        (
            "name: x, accept: [[]], path: bin/x",
            "daemon:2:35 [bin/x] the path `bin/x` of `x` is not absolute and plain | ",
        ),
        (
            "name: x, accept: [[]], refuse: [[a], [b, c]], refuse_flags: [-b]",
            "daemon:2:38 [[] the entry of `x` accepts `a`, which it says it refuses | ",
        ),
        (
            "name: x, accept: [[a], [-bc]], refuse_flags: [-b]",
            "daemon:2:29 [[] the entry of `x` refuses `-bc`, which it says it accepts",
        ),
        (
            "name: git, subcommands: [status, push]",
            "daemon:2:39 [push] the rule of `git` has no subcommand `push` | ",
        ),
        ("name: cargo, risk: low", "daemon:2:25 [low] `cargo` has a risk of its own"),
        ("name: x, accept: [[]], scratch: [../y]", "daemon:2:39 [../y] `../y` of `x` does not"),
        (
            "name: x, accept: [[]], network: {allow: [nowhere]}",
            "daemon:2:47 [nowhere] `nowhere`, which `x` may connect to, is no `host:port`",
        ),
        ("name: x, accept: [[]], network: all", "daemon:2:38 [all] "),
        ("name: x, accept: [[]], argv: 1", "daemon:2:29 [argv] unknown key `argv`"),
        ("accept: [[]]", "daemon:2:5 [{] "),
    ] {
        let told = first(entry);
        assert!(told.starts_with(expected), "{entry}:\n  {told}\n  {expected}");
    }
    let twice = "commands:\n  - {name: x, accept: [[]]}\n  - {name: x, accept: [[a]]}\n";
    assert_eq!(
        told(read(twice, "", "")),
        ["daemon:3:12 [x] `x` has two entries | put what both say into one"]
    );
}

#[test]
fn commands_run_as_somebody_who_is_not_root() {
    let own = rustix::process::geteuid().as_raw();
    let account = |text: &str| told(read(&format!("commands_as: {text}\n"), "", ""));
    let hint = crate::accounts::HINT;
    for (text, expected) in [
        ("root", format!("[root] `root` is root, and a command never runs as root | {hint}")),
        ("\"0:0\"", format!("[\"0:0\"] `0:0` is root, and a command never runs as root | {hint}")),
        ("no-such-user", format!("[no-such-user] no account is called `no-such-user` | {hint}")),
    ] {
        assert_eq!(account(text), [format!("daemon:1:14 {expected}")]);
    }
    let resolved = read("commands_as: \"4242:4243\"\n", "", "").unwrap();
    let account = resolved.options.commands.run_as.unwrap();
    assert_eq!((account.uid, account.gid), (4242, 4243));
    assert_eq!(resolved.warnings.len(), usize::from(own != 0 && own != 4242));
}
