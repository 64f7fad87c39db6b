//! Another process that has mapped a file and no longer has it open.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Maps the file it is told, closes it, says so, and writes through the mapping when told to.
const MAPS: &str = "
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
mapping = mmap.mmap(fd, 0)
os.close(fd)
print('mapped', flush=True)
sys.stdin.readline()
mapping[:6] = b'theirs'
mapping.flush()
";

pub(crate) struct Mapper(Child);

impl Mapper {
    /// None, said aloud, where there is no Python to map it.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let mut python = Command::new("python3");
        python.args(["-c", MAPS]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = python.spawn() else {
            eprintln!("not checked here: a mapped file: `python3` is missing");
            return None;
        };
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mapped\n");
        Some(Self(child))
    }

    pub(crate) fn write(mut self) {
        writeln!(self.0.stdin.take().unwrap()).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}
