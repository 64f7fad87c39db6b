//! What the program says of journals of format 1: the verdict and the export, as they were written
//! down. The journals themselves stand with the tests of the simulated disk.

#[path = "../../kairos-sim/tests/format/fixture.rs"]
mod fixture;

use std::process::Command;

use crate::fixture::{FIXTURES, lay_out, text};

fn said(root: &std::path::Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kairos"));
    let output = command.arg("--root").arg(root).args(arguments).output().expect("kairos starts");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn journals_of_format_1_are_exported_as_they_always_were() {
    for name in FIXTURES {
        let temp = tempfile::tempdir().expect("a directory");
        said(temp.path(), &["init"]);
        lay_out(name, &temp.path().join(".kairos/journal"));
        let verdict = said(temp.path(), &["journal", "verify", "--json"]);
        let frames = text(name, "records.jsonl").lines().count();
        let sound =
            format!("{{\"ok\":true,\"frames\":{frames},\"head\":{frames},\"problem\":null}}\n");
        assert_eq!(verdict, sound, "{name}");
        let export = said(temp.path(), &["journal", "export", "--jsonl"]);
        assert_eq!(export, text(name, "export.jsonl"), "{name}");
    }
}
