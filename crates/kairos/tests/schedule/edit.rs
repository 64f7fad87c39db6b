//! `schedule edit`: nothing is saved that does not hold, and nothing written is lost.

use std::fs;

use super::{Home, Said, said};

const BEFORE: &str = "schedules:\n  - {name: a, cron: '@daily', mandate: {goal: g}}\n";

fn edit(home: &Home, editor: &str) -> Said {
    let mut command = home.command(&["schedule", "edit"]);
    command.env("EDITOR", editor).env("FILE", home.file());
    said(command, b"")
}

/// Copies that are left.
fn left(home: &Home) -> Vec<std::path::PathBuf> {
    let run = fs::read_dir(home.root().join(".kairos/run")).expect("a directory");
    run.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn what_holds_is_saved_and_the_copy_goes() {
    let home = Home::with(BEFORE);
    let said = edit(&home, "sed -i s/@daily/@weekly/");
    let after = BEFORE.replace("@daily", "@weekly");
    assert_eq!((said.exit, home.text()), (0, after), "{}", said.err);
    assert!(said.out.starts_with("saved ") && said.out.ends_with(": ok, 1 schedule\n"));
    assert_eq!(said.err, "no daemon runs: the next start loads it\n");
    assert_eq!(left(&home).len(), 0);
}

#[test]
fn a_text_with_errors_is_not_saved_and_its_copy_is_named() {
    let home = Home::with(BEFORE);
    let said = edit(&home, "sed -i s/@daily/@dayly/");
    assert_eq!((said.exit, home.text().as_str()), (78, BEFORE));
    let [copy] = &left(&home)[..] else { panic!("one copy: {}", said.err) };
    assert_eq!(fs::read_to_string(copy).expect("text"), BEFORE.replace("@daily", "@dayly"));
    let copy = copy.canonicalize().expect("it is there");
    assert!(said.err.contains("unknown macro `@dayly`"), "{}", said.err);
    let hint = format!("hint: what you wrote is in `{}`\n", copy.display());
    assert!(said.err.ends_with(&hint), "{}", said.err);
}

#[test]
fn somebody_elses_change_is_not_written_over() {
    let home = Home::with(BEFORE);
    let said = edit(&home, r##"sed -i s/@daily/@weekly/ "$1"; echo "# theirs" >> "$FILE"; true"##);
    assert_eq!((said.exit, home.text()), (1, format!("{BEFORE}# theirs\n")), "{}", said.err);
    assert!(said.err.contains("was changed by somebody else meanwhile"), "{}", said.err);
    let [copy] = &left(&home)[..] else { panic!("one copy: {}", said.err) };
    assert!(fs::read_to_string(copy).expect("text").contains("@weekly"));
}

#[test]
fn an_editor_that_changes_nothing_or_fails_leaves_the_file() {
    let home = Home::with(BEFORE);
    let said = edit(&home, "true");
    assert_eq!((said.exit, said.err.as_str()), (0, "nothing changed\n"));
    assert_eq!(left(&home).len(), 0);
    let said = edit(&home, "false");
    assert_eq!((said.exit, home.text().as_str()), (1, BEFORE));
    assert!(said.err.contains("the editor `false` ended with"), "{}", said.err);
    assert_eq!(left(&home).len(), 0);
}
