//! A person who works on while a command does.

use std::fs::{self, File};
use std::io::{Read as _, Write as _, pipe};
use std::os::fd::OwnedFd;

use kairos_sandbox::{Command, Exit, Refused, Stdin, Streams, What, Why};

use crate::account::{Home, both};
use crate::desk::{made, refused, settle};
use crate::scripts::python;

/// Says that it is at work, waits, and then changes everything.
const SLOW: &str = "\
import os, sys
os.close(os.open('early.txt', os.O_WRONLY | os.O_TRUNC))
print('working', flush=True)
sys.stdin.readline()
for name in ['saved.txt', 'early.txt', 'new.txt', 'mine.txt']:
    open(name, 'w').write('of the command')
os.remove('gone.txt')
os.rename('moved.txt', 'elsewhere.txt')
";

#[test]
fn what_a_person_saves_during_a_command_is_theirs() {
    if crate::account::is_excused(&["python3"]) {
        return;
    }
    both("meanwhile::what_a_person_saves_during_a_command_is_theirs", Home::Bare, |desk| {
        for name in ["saved.txt", "early.txt", "gone.txt", "moved.txt", "mine.txt"] {
            desk.file(name, "before");
        }
        let catalog = desk.enter(python());
        let (command, policy) = desk.ready(&catalog, "python3", &["-c", SLOW]);
        settle();
        let (stdin, mut answer) = pipe().unwrap();
        let (mut stdout, given) = pipe().unwrap();
        let streams = Streams::Given {
            stdout: given.into(),
            stderr: File::options().write(true).open("/dev/null").unwrap().into(),
        };
        let command = Command { stdin: Stdin::Fd(OwnedFd::from(stdin)), ..command };
        let running = desk.sandbox().spawn(command, &policy, streams).unwrap();
        let mut word = [0; 8];
        stdout.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"working\n");
        for name in ["saved.txt", "early.txt", "gone.txt", "moved.txt", "new.txt"] {
            desk.file(name, "of the person");
        }
        answer.write_all(b"\n").unwrap();
        let outcome = running.wait().unwrap();
        assert_eq!(outcome.exit, Exit::Code(0));
        // Every file is as the person left it.
        for name in ["saved.txt", "early.txt", "gone.txt", "moved.txt", "new.txt"] {
            assert_eq!(desk.text(name), "of the person", "{name}");
        }
        assert_eq!(desk.text("mine.txt"), "before");
        assert_eq!(fs::read_dir(desk.workspace()).unwrap().count(), 6);
        // What the command did to them is no change that could be taken over.
        let conflict = |name: &str| Refused { path: name.into(), why: Why::Conflict };
        let theirs = ["early.txt", "gone.txt", "moved.txt", "new.txt", "saved.txt"];
        let mut left = refused(&outcome);
        left.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(left, theirs.map(conflict));
        let changes: Vec<_> = outcome.changes[0].changes.iter().collect();
        let paths: Vec<_> = changes.iter().map(|change| change.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["elsewhere.txt", "mine.txt"]);
        assert!(matches!(changes[1].what, What::Modified { .. }), "{changes:?}");
        assert_eq!(made(&outcome, "mine.txt"), "of the command");
    });
}
