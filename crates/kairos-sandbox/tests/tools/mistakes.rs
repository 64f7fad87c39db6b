//! What a new user would get wrong first, and what they are told.

use std::ffi::OsString;
use std::fs;

use kairos_sandbox::Exit;
use kairos_sandbox::catalog::{Catalog, Trust};

use crate::account::{Home, both};
use crate::desk::{changed, said};

fn words(argv: &[&str]) -> Vec<OsString> {
    argv.iter().map(OsString::from).collect()
}

#[test]
fn a_tool_that_is_missing_says_where_it_was_looked_for() {
    let nothing = tempfile::tempdir().unwrap();
    let owner = rustix::process::geteuid().as_raw();
    let trust = Trust::new(nothing.path(), vec!["/usr/bin".into()], vec![owner], "/w");
    let catalog = Catalog::shipped(trust.with_home("/srv/ada"));
    let missing = catalog.resolve("pandoc").unwrap_err();
    assert_eq!(missing.to_string(), "`pandoc` is in none of `/usr/bin`");
    let hint = "install it, or say where it is: `{name: pandoc, path: /…}` in `commands:`";
    assert_eq!(missing.hint().as_deref(), Some(hint));
    let missing = catalog.resolve("cargo").unwrap_err();
    assert_eq!(missing.to_string(), "`cargo` is in none of `/srv/ada/.cargo/bin`, `/usr/bin`");
}

#[test]
fn a_tool_that_takes_an_entry_says_which() {
    both("mistakes::a_tool_that_takes_an_entry_says_which", Home::Bare, |desk| {
        for name in ["python3", "node"] {
            let refusal = desk.catalog().rule(name).unwrap_err();
            let reason = "it runs any program: `commands:` takes it with an argv it must accept";
            assert_eq!(refusal.to_string(), format!("`{name}` is refused: {reason}"));
            let entry = format!(
                "add to `commands:` in daemon.yml: `{{name: {name}, accept: [[…]]}}`, with an argv it must accept"
            );
            assert_eq!(refusal.hint(), entry);
        }
    });
}

#[test]
fn a_crate_that_needs_the_network_says_so() {
    both("mistakes::a_crate_that_needs_the_network_says_so", Home::Toolchain, |desk| {
        let package = "[package]\nname = \"x\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";
        desk.file(
            "Cargo.toml",
            &format!("{package}[dependencies]\nno-such-crate-of-ours = \"1\"\n"),
        );
        desk.file("src/lib.rs", "");
        let build = desk.asks("cargo", &["build"]);
        assert_eq!((build.exit, changed(&build)), (Exit::Code(101), vec![]), "{}", said(&build));
        let text = said(&build);
        assert!(text.contains("no matching package named `no-such-crate-of-ours` found"), "{text}");
        assert!(text.contains("offline"), "{text}");
    });
}

#[test]
fn a_toolchain_that_is_not_installed_is_named_and_not_fetched() {
    both(
        "mistakes::a_toolchain_that_is_not_installed_is_named_and_not_fetched",
        Home::Toolchain,
        |desk| {
            if !desk.home().join(".cargo/bin/rustup").exists() {
                return;
            }
            desk.file("rust-toolchain.toml", "[toolchain]\nchannel = \"1.2.3\"\n");
            desk.file("Cargo.toml", "[package]\nname = \"x\"\nversion = \"1.0.0\"\n")
                .file("src/lib.rs", "");
            let build = desk.asks("cargo", &["build"]);
            assert_eq!(build.exit, Exit::Code(1), "{}", said(&build));
            assert!(
                said(&build).contains("1.2.3") && said(&build).contains("not installed"),
                "{}",
                said(&build)
            );
        },
    );
}

#[test]
fn installing_is_refused_with_the_reason_and_nothing_is_written_at_home() {
    if crate::account::is_excused(&["npm"]) {
        return;
    }
    both(
        "mistakes::installing_is_refused_with_the_reason_and_nothing_is_written_at_home",
        Home::Bare,
        |desk| {
            let rule = desk.catalog().rule("npm").unwrap();
            let place =
                kairos_sandbox::catalog::Place::new(desk.workspace(), desk.workspace()).unwrap();
            let refusal = rule.check(&words(&["install"]), &place).unwrap_err();
            let why = "`npm install` is refused: it uses the network and starts the scripts of what it installs";
            assert_eq!(refusal.to_string(), why);
            desk.file("package.json", r#"{"name": "x", "scripts": {"test": "missing-program"}}"#);
            let before = fs::metadata(desk.home()).unwrap().modified().unwrap();
            let test = desk.asks("npm", &["test"]);
            assert_eq!((test.exit, changed(&test)), (Exit::Code(127), vec![]), "{}", said(&test));
            assert!(said(&test).contains("missing-program: not found"), "{}", said(&test));
            assert_eq!(fs::metadata(desk.home()).unwrap().modified().unwrap(), before);
        },
    );
}

#[test]
fn a_repository_that_begins_above_the_workspace_is_none() {
    both("mistakes::a_repository_that_begins_above_the_workspace_is_none", Home::Bare, |desk| {
        let status = desk.asks("git", &["status"]);
        assert_eq!(status.exit, Exit::Code(128), "{}", said(&status));
        assert!(said(&status).contains("fatal: not a git repository"), "{}", said(&status));
    });
}
