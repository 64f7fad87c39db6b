//! Journals as format 1 wrote them, kept without the zeros behind their last frame.

use std::path::{Path, PathBuf};

/// Written by the daemon, and written to have every kind of event and several segments.
pub(crate) const FIXTURES: [&str; 2] = ["daemon", "kinds"];

pub(crate) fn fixture(name: &str) -> PathBuf {
    let sim = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("kairos-sim");
    sim.join("tests/fixtures/format-1").join(name)
}

pub(crate) fn text(name: &str, file: &str) -> String {
    std::fs::read_to_string(fixture(name).join(file)).expect("it is in the tree")
}

/// Puts the journal into `dir`, with its zeros.
pub(crate) fn lay_out(name: &str, dir: &Path) {
    std::fs::create_dir_all(dir).expect("nothing fails");
    for entry in std::fs::read_dir(fixture(name)).expect("it is in the tree") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|kj| kj == "kj") {
            let mut segment = std::fs::read(&path).expect("it is in the tree");
            segment.resize(length(&segment), 0);
            let to = dir.join(path.file_name().expect("it has a name"));
            std::fs::write(to, segment).expect("nothing fails");
        }
    }
}

/// As the first frame of a segment has it.
fn length(segment: &[u8]) -> usize {
    let first = segment.split(|byte| *byte == b'\n').next().expect("there is a frame");
    let text = std::str::from_utf8(first).expect("a frame is text");
    let (_, rest) = text.split_once(",\"schema\":1,\"bytes\":").expect("a segment's head");
    rest[..rest.find('}').expect("its end")].parse().expect("a number")
}
