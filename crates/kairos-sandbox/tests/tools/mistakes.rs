//! What a new user would get wrong first, and what they are told.

use std::ffi::OsString;
use std::fs;

use kairos_sandbox::Exit;
use kairos_sandbox::catalog::{Catalog, Trust};

use crate::account::{Home, both, mode, sbx};
use crate::desk::{Desk, changed, said, whole};

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

/// A daemon of root's, whose own toolchain nobody else may look at.
#[test]
fn a_toolchain_that_the_workspaces_owner_cannot_reach_is_named() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = tempfile::tempdir_in("/home").unwrap();
    fs::create_dir_all(home.path().join(".cargo/bin")).unwrap();
    fs::copy("/bin/true", home.path().join(".cargo/bin/cargo")).unwrap();
    mode(home.path(), 0o700);
    let desk = Desk::new(home.path(), &sbx());
    let (command, policy) = desk.ready(desk.catalog(), "cargo", &["build"]);
    let refusal = desk.sandbox().run(command, &policy).unwrap_err();
    let said = format!(
        "the sandbox could not be put up: step `view` of layer `mount_ns`: `{}`: Permission denied (os error 13)",
        home.path().join(".cargo/bin").display()
    );
    assert_eq!(whole(&refusal), said);
    let hint = "whoever owns the workspace has to reach it by its path: nothing of another's home";
    assert_eq!(refusal.hint().as_deref(), Some(hint));
}
