//! What builds and tests.

use std::fs;

use kairos_sandbox::Exit;
use kairos_sandbox::catalog::CommandRule;

use crate::account::{Home, both, sbx};
use crate::desk::{Desk, changed, made, said};

/// A crate with one dependency, which is vendored.
fn vendored(desk: &Desk) {
    let package = |name: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n")
    };
    desk.file("Cargo.toml", &format!("{}[dependencies]\ndep = \"1\"\n", package("x")));
    desk.file("src/lib.rs", "/// Twice: `assert_eq!(x::four(), 4)`\npub fn four() -> u8 { dep::two() * 2 }\n#[test]\nfn is_four() { assert_eq!(four(), 4); }\n");
    desk.file("src/main.rs", "fn main() { println!(\"{}\", x::four()); }\n");
    desk.file("build.rs", "fn main() { println!(\"cargo:rerun-if-changed=build.rs\"); }\n");
    desk.file("vendor/dep/Cargo.toml", &package("dep"));
    desk.file("vendor/dep/src/lib.rs", "pub fn two() -> u8 { 2 }\n");
    desk.file("vendor/dep/.cargo-checksum.json", r#"{"files": {}}"#);
    let config = "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"vendor\"\n";
    desk.file(".cargo/config.toml", config);
}

#[test]
fn a_vendored_crate_is_built_and_tested() {
    both("build::a_vendored_crate_is_built_and_tested", Home::Toolchain, |desk| {
        vendored(desk);
        let build = desk.asks("cargo", &["build", "--offline"]);
        assert_eq!(build.exit, Exit::Code(0), "{}", said(&build));
        // What was built is kept for the next one, and is no change.
        assert_eq!(changed(&build), ["Cargo.lock"]);
        desk.file("Cargo.lock", &made(&build, "Cargo.lock"));
        let test = desk.asks("cargo", &["test", "--offline", "--locked"]);
        assert_eq!((test.exit, changed(&test)), (Exit::Code(0), vec![]), "{}", said(&test));
        assert!(said(&test).contains("test is_four ... ok"), "{}", said(&test));
        let run = desk.asks("cargo", &["run", "-q"]);
        assert_eq!((run.exit, changed(&run)), (Exit::Code(0), vec![]), "{}", said(&run));
        assert_eq!(run.stdout.bytes(), b"4\n");
        let again = desk.asks("cargo", &["build"]);
        assert!(!said(&again).contains("Compiling"), "{}", said(&again));
        assert!(!desk.workspace().join("target").exists());
        assert_eq!(fs::read_dir(desk.kept()).unwrap().count(), 1);
        let clippy = desk.asks("cargo", &["clippy", "--offline", "--", "-D", "warnings"]);
        assert_eq!((clippy.exit, changed(&clippy)), (Exit::Code(0), vec![]), "{}", said(&clippy));
        let fmt = desk.asks("cargo", &["fmt"]);
        assert_eq!(
            (fmt.exit, changed(&fmt)),
            (Exit::Code(0), ["build.rs", "src/lib.rs", "src/main.rs"].map(String::from).to_vec()),
            "{}",
            said(&fmt)
        );
        let tree = desk.answer(
            "cargo",
            &["tree", "--offline", "-e", "normal", "--prefix", "none", "-f", "{p}"],
        );
        assert!(tree.ends_with("dep v1.0.0\n"), "{tree}");
    });
}

#[test]
fn a_test_that_fails_says_so_and_changes_nothing() {
    both("build::a_test_that_fails_says_so_and_changes_nothing", Home::Toolchain, |desk| {
        vendored(desk);
        desk.file("tests/t.rs", "#[test]\nfn wrong() { std::fs::write(\"left.txt\", \"x\").unwrap(); assert_eq!(x::four(), 5); }\n");
        let test = desk.asks("cargo", &["test", "--test", "t"]);
        assert_eq!(test.exit, Exit::Code(101), "{}", said(&test));
        assert!(said(&test).contains("test wrong ... FAILED"), "{}", said(&test));
        assert_eq!(changed(&test), ["Cargo.lock", "left.txt"]);
        assert!(!desk.workspace().join("left.txt").exists());
    });
}

/// A daemon of root's, whose own home nobody else may look into.
#[test]
fn a_toolchain_that_only_root_reaches_builds_for_somebody_else() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = std::env::var_os("HOME").expect("root has a home");
    let desk = Desk::new(home.as_ref(), &sbx());
    vendored(&desk);
    let build = desk.asks("cargo", &["build", "--offline"]);
    assert_eq!(
        (build.exit, changed(&build)),
        (Exit::Code(0), vec!["Cargo.lock".into()]),
        "{}",
        said(&build)
    );
}

/// One that rustup did not choose: its compiler stands beside it, and is no program of the system.
#[test]
fn a_toolchain_elsewhere_is_named_by_an_entry() {
    both("build::a_toolchain_elsewhere_is_named_by_an_entry", Home::Toolchain, |desk| {
        let own = fs::read_dir(desk.home().join(".rustup/toolchains")).into_iter().flatten();
        let own =
            own.map(|entry| entry.unwrap().path().join("bin/cargo")).find(|path| path.exists());
        let path = own.unwrap_or_else(|| env!("CARGO").into());
        let reads = vec![path.ancestors().nth(2).unwrap().to_str().unwrap().to_owned()];
        let entry =
            CommandRule { name: "cargo".into(), path: Some(path), reads, ..CommandRule::default() };
        vendored(desk);
        let build = desk.asks_by(&desk.enter(entry), "cargo", &["build", "--offline"]);
        assert_eq!(
            (build.exit, changed(&build)),
            (Exit::Code(0), vec!["Cargo.lock".into()]),
            "{}",
            said(&build)
        );
    });
}

#[test]
fn a_package_is_tested_with_what_is_installed() {
    if crate::account::is_excused(&["npm"]) {
        return;
    }
    both("build::a_package_is_tested_with_what_is_installed", Home::Bare, |desk| {
        let scripts = r#"{"test": "node --test && node t.js && dep-says && echo ran"}"#;
        desk.file(
            "package.json",
            &format!(r#"{{"name": "x", "scripts": {scripts}, "dependencies": {{"dep": "1"}}}}"#),
        );
        desk.file("node_modules/dep/package.json", r#"{"name": "dep", "version": "1.0.0"}"#);
        desk.file("node_modules/dep/index.js", "exports.two = 2;\n");
        desk.file(
            "node_modules/.bin/dep-says",
            "#!/bin/sh\necho says > node_modules/.cache-of-dep\n",
        );
        crate::account::mode(&desk.workspace().join("node_modules/.bin/dep-says"), 0o755);
        desk.file("t.js", "require('fs').writeFileSync('out.txt', String(require('dep').two));\n");
        desk.file(
            "x.test.js",
            "require('node:test')('two', () => require('assert').equal(require('dep').two, 2));\n",
        );
        desk.file(".npmrc", "script-shell=./evil\nnode-options=--require ./evil.js\n");
        let ran = desk.asks("npm", &["test"]);
        assert_eq!(ran.exit, Exit::Code(0), "{}", said(&ran));
        assert!(ran.stdout.bytes().ends_with(b"ran\n"), "{}", said(&ran));
        let rewritten = desk.rewritten(desk.catalog(), "npm", &["test"]);
        assert_eq!(desk.kept_changes(&rewritten, &ran), ["out.txt"]);
        assert_eq!(changed(&ran), ["node_modules/.cache-of-dep", "out.txt"]);
        assert_eq!(made(&ran, "out.txt"), "2");
        assert!(!desk.workspace().join("out.txt").exists());
    });
}

#[test]
fn a_makefile_compiles_and_checks() {
    if crate::account::is_excused(&["make", "cc"]) {
        return;
    }
    both("build::a_makefile_compiles_and_checks", Home::Bare, |desk| {
        desk.file("Makefile", "check: four\n\t./four > got\n\tcmp got expected\n\nfour: four.c\n\tcc -o four four.c\n");
        desk.file("four.c", "#include <stdio.h>\nint main(void) { puts(\"4\"); return 0; }\n")
            .file("expected", "4\n");
        let check = desk.asks("make", &["check"]);
        assert_eq!(check.exit, Exit::Code(0), "{}", said(&check));
        assert_eq!(changed(&check), ["four", "got"]);
        assert!(!desk.workspace().join("four").exists());
        desk.file("expected", "5\n");
        let check = desk.asks("make", &["-s", "check"]);
        assert_eq!(check.exit, Exit::Code(2), "{}", said(&check));
        assert!(said(&check).contains("got expected differ"), "{}", said(&check));
    });
}
