//! `schedule edit`: nothing is saved that does not hold, and nothing written is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

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
fn a_warning_is_told_of_what_was_edited_alone() {
    let old = "  - {name: old, cron: '*/90 * * * *', mandate: {goal: g}}\n";
    let home = Home::with(&format!("{BEFORE}{old}"));
    let said = edit(&home, "sed -i 's,@daily,*/61 * * * *,'");
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(said.err.contains("`*/61`") && !said.err.contains("`*/90`"), "{}", said.err);
    assert!(said.out.ends_with(": ok, 2 schedules, 2 warnings\n"), "{}", said.out);
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

/// As `vi` takes Ctrl-C, which the terminal sends to whoever waits for it too.
#[test]
fn ctrl_c_in_the_editor_is_the_editors_business() {
    let home = Home::with(BEFORE);
    let mut command = home.command(&["schedule", "edit"]);
    let editor = "trap '' INT QUIT; kill -INT 0; kill -QUIT 0; sed -i s/@daily/@weekly/";
    // All that a terminal would tell, and not this test.
    command.env("EDITOR", editor).process_group(0);
    let said = said(command, b"");
    let after = BEFORE.replace("@daily", "@weekly");
    assert_eq!((said.exit, home.text()), (0, after), "{}", said.err);
}

#[test]
fn ctrl_c_at_the_question_ends_it_and_names_the_copy() {
    let home = Home::with(BEFORE);
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
    let master = master.expect("a terminal");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
    let name = ptsname(&master, Vec::new()).expect("it has a name").into_string();
    let open = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(OFlags::NOCTTY.bits().cast_signed());
        options.open(name.as_deref().expect("text")).expect("the terminal opens")
    };
    let mut command = Command::new("setsid");
    command.args(["--ctty", env!("CARGO_BIN_EXE_kairos"), "schedule", "edit"]).env_clear();
    command.current_dir(home.root()).env("EDITOR", "kill -INT $PPID; sed -i s/@daily/@dayly/");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let mut child = command.stdin(open()).stdout(open()).stderr(open()).spawn().expect("it starts");
    // So that the terminal ends with the child.
    drop(command);
    let (mut terminal, mut said, mut some) = (File::from(master), Vec::new(), [0; 1_024]);
    let mut asked = false;
    while let Ok(bytes @ 1..) = terminal.read(&mut some) {
        said.extend_from_slice(&some[..bytes]);
        if !asked && said.ends_with(b"[E/d] ") {
            asked = true;
            terminal.write_all(b"\x03").expect("pressed");
        }
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{said}");
    assert_eq!((asked, home.text().as_str()), (true, BEFORE), "{said}");
    let [copy] = &left(&home)[..] else { panic!("one copy: {said}") };
    let copy = copy.file_name().expect("a name").to_str().expect("text");
    assert!(said.contains("what you wrote is in") && said.contains(copy), "{said}");
}
