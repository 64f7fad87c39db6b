//! The command line as a person or a program meets it, without a daemon.

use std::path::Path;
use std::process::Command;

/// Exit code, stdout and stderr of `kairos` with these arguments.
fn kairos(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kairos"))
        .args(arguments)
        .current_dir(dir)
        .env_remove("KAIROS_ROOT")
        .env("TZ", "UTC")
        .output()
        .expect("the binary was built for this test");
    let text = |bytes| String::from_utf8(bytes).expect("all output is text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn workspace() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("there is room");
    std::fs::create_dir(dir.path().join(".kairos")).expect("it is empty");
    let path = dir.path().canonicalize().expect("it was made").display().to_string();
    (dir, path)
}

fn answer(
    exit: i32,
    out: impl Into<String>,
    err: impl Into<String>,
) -> (Option<i32>, String, String) {
    (Some(exit), out.into(), err.into())
}

#[test]
fn help_lists_the_verbs() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, err) = kairos(dir.path(), &["--help"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let words = out.lines().filter_map(|line| line.split_whitespace().next());
    let known =
        ["status", "mandate", "proposal", "effect", "schedule", "budget", "events", "journal"];
    let listed: Vec<_> = words.filter(|word| known.contains(word)).collect();
    assert_eq!(listed, known);
}

#[test]
fn an_unknown_verb_is_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, err) = kairos(dir.path(), &["levitate", "--json"]);
    let said = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"unrecognized subcommand 'levitate'","code":"usage","exit":2}"#;
    assert_eq!((code, out, err), answer(2, "", format!("{said}\n")));
}

#[test]
fn without_a_workspace_the_way_to_one_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().canonicalize().unwrap();
    let said = format!(
        "error: `{0}` has no `.kairos` directory\nhint: `kairos init {0}` makes one\n",
        here.display()
    );
    let root = here.to_str().unwrap();
    assert_eq!(kairos(dir.path(), &["--root", root, "status"]), answer(2, "", said.clone()));
    assert_eq!(kairos(dir.path(), &["status", "--root", root]), answer(2, "", said));
}

#[test]
fn changes_without_a_daemon_end_with_69_and_a_hint() {
    let (dir, path) = workspace();
    let socket = format!("{path}/.kairos/run/kairos.sock");
    let said = format!(
        "error: no daemon answers at `{socket}`\n  because: No such file or directory (os error 2)\nhint: start one with `kairos daemon`\n"
    );
    for arguments in [
        &["mandate", "create", "--goal", "tidy"][..],
        &["effect", "settle", "01J", "--unknown"],
        &["schedule", "fire", "nightly"],
        &["status"],
        &["budget"],
    ] {
        assert_eq!(kairos(dir.path(), arguments), answer(69, "", said.clone()), "{arguments:?}");
    }
    let said = format!(
        r#"{{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"no daemon answers at `{socket}`: No such file or directory (os error 2)","code":"no_daemon","exit":69,"hint":"start one with `kairos daemon`"}}"#
    );
    assert_eq!(kairos(dir.path(), &["--json", "status"]), answer(69, "", said + "\n"));
}

#[test]
fn cron_expressions_show_their_slots_without_a_workspace() {
    let dir = tempfile::tempdir().unwrap();
    let ask =
        ["schedule", "next", "--cron", "0 9 * * 1-5", "--after", "2026-11-20T09:00:00Z", "-n", "2"];
    let shown = "Mon 2026-11-23 09:00:00 +00:00\nTue 2026-11-24 09:00:00 +00:00\n";
    assert_eq!(kairos(dir.path(), &ask), answer(0, shown, ""));
    let json = [&ask[..], &["--zone", "Europe/Berlin", "--json"]].concat();
    let shown = "{\"slots\":[\"2026-11-23T08:00:00Z\",\"2026-11-24T08:00:00Z\"]}\n";
    assert_eq!(kairos(dir.path(), &json), answer(0, shown, ""));
    let wrong = ["schedule", "next", "--cron", "@daily", "--zone", "Mars/Base"];
    let said = "error: `Mars/Base` is no IANA time zone\nhint: an IANA name such as `Europe/Zurich`, or `UTC`\n";
    assert_eq!(kairos(dir.path(), &wrong), answer(2, "", said));
}

#[test]
fn a_journal_that_is_not_there_is_not_sound() {
    let (dir, path) = workspace();
    let said = format!(
        "error: no journal at `{path}/.kairos/journal`\nhint: the first `kairos daemon` or `kairos once` makes it\n"
    );
    assert_eq!(kairos(dir.path(), &["journal", "verify"]), answer(1, "", said));
    std::fs::create_dir(dir.path().join(".kairos/journal")).unwrap();
    let verdict = "{\"ok\":true,\"frames\":0,\"head\":0,\"problem\":null}\n";
    assert_eq!(kairos(dir.path(), &["journal", "verify", "--json"]), answer(0, verdict, ""));
    let said = "no daemon: as of seq 0\n";
    assert_eq!(kairos(dir.path(), &["events"]), answer(0, "", said));
}

#[test]
fn a_decision_by_a_program_names_the_hash_it_is_about() {
    let (dir, _) = workspace();
    let (code, out, _) = kairos(dir.path(), &["proposal", "approve", "01J", "--yes"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
}

#[test]
fn verbs_that_read_say_what_is_missing_and_what_makes_it() {
    let (dir, path) = workspace();
    let said = format!(
        "error: no journal at `{path}/.kairos/journal`\nhint: the first `kairos daemon` or `kairos once` makes it\n"
    );
    let verbs: [&[&str]; 9] = [
        &["mandate", "list"],
        &["mandate", "show", "01J"],
        &["mandate", "logs", "01J"],
        &["proposal", "list"],
        &["effect", "list"],
        &["schedule", "list"],
        &["events"],
        &["journal", "show", "1"],
        &["journal", "export", "--jsonl"],
    ];
    for verb in verbs {
        assert_eq!(kairos(dir.path(), verb), answer(1, "", said.clone()), "{verb:?}");
    }
    let bare = tempfile::tempdir().unwrap();
    let here = bare.path().canonicalize().unwrap();
    let said = format!(
        "error: no `.kairos` directory in `{}` or above it\nhint: `kairos init` makes one here; `--root DIR` names another place\n",
        here.display()
    );
    for verb in verbs.into_iter().chain([&["journal", "verify"][..], &["config", "check"]]) {
        assert_eq!(kairos(bare.path(), verb), answer(2, "", said.clone()), "{verb:?}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_ends_with_78() {
    let (dir, path) = workspace();
    std::fs::create_dir_all(dir.path().join(".kairos/config/daemon.yml")).unwrap();
    for verb in [&["config", "check"][..], &["daemon"], &["once", "--goal", "g"]] {
        let (code, out, err) = kairos(dir.path(), verb);
        assert_eq!((code, out.as_str()), (Some(78), ""), "{err}");
        let said = format!("{path}/.kairos/config/daemon.yml: cannot be read: not a regular file");
        assert!(err.contains(&said), "{err}");
    }
}

#[test]
fn init_where_nothing_can_be_made_is_a_failed_start() {
    let (dir, path) = workspace();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let (code, out, err) = kairos(dir.path(), &["init", "file/below"]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    assert!(err.contains("directory `file/below` cannot be made"), "{path}: {err}");
    assert!(err.contains("hint: "), "{err}");
}
