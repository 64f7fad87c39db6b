//! What a name of the catalogue turned out to be.
//!
//! Owns the difference between a program of this machine and a script: a script's interpreter is the
//! binary that is executed, and the script is its argument. The kernel is never left to read a first
//! line, since what it would start nobody has looked at.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::binary::{Binary, BinaryError};

/// As much as the kernel reads of a first line.
const FIRST_LINE_BYTES_MAX: usize = 256;

/// The binary to execute, and the script it interprets where there is one.
#[derive(Debug)]
pub struct Program {
    binary: Binary,
    script: Option<Script>,
}

/// A file that a program interprets.
#[derive(Debug)]
pub struct Script {
    pub file: Binary,
    /// What its first line says behind the interpreter.
    pub argument: Option<OsString>,
}

/// What a file begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Machine,
    Script(Shebang),
    Other,
}

/// A script's first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shebang {
    /// The name to look for.
    pub(crate) name: String,
    /// Where the line says it is; `None` where `env` would look for it.
    pub(crate) path: Option<PathBuf>,
    pub(crate) argument: Option<OsString>,
}

impl Program {
    pub(crate) fn new(binary: Binary, script: Option<Script>) -> Self {
        Self { binary, script }
    }

    /// What is executed.
    pub fn binary(&self) -> &Binary {
        &self.binary
    }

    pub fn script(&self) -> Option<&Script> {
        self.script.as_ref()
    }

    /// The same program for one more command, as long as nothing of it changed; see
    /// [`Binary::again`].
    pub fn again(&self) -> Result<Self, BinaryError> {
        let script = |script: &Script| {
            Ok(Script { file: script.file.again()?, argument: script.argument.clone() })
        };
        let script = self.script.as_ref().map(script).transpose()?;
        Ok(Self { binary: self.binary.again()?, script })
    }

    /// Takes the binary out, to execute it with [`Program::argv`].
    pub fn into_binary(self) -> Binary {
        self.binary
    }

    /// The argv to execute the binary with: a script stands behind its interpreter, by its path.
    pub fn argv(&self, argv: Vec<OsString>) -> Vec<OsString> {
        let Some(script) = &self.script else { return argv };
        let name = self.binary.path().file_name().unwrap_or_default().to_owned();
        let mut whole = vec![name];
        whole.extend(script.argument.clone());
        whole.push(script.file.path().into());
        whole.extend(argv.into_iter().skip(1));
        whole
    }

    /// Whether the open files still are what was read.
    pub fn is_unchanged(&self) -> bool {
        self.binary.is_unchanged() && self.script.iter().all(|script| script.file.is_unchanged())
    }
}

impl Head {
    pub(crate) fn read(file: &Binary) -> Result<Self, BinaryError> {
        let mut bytes = [0; FIRST_LINE_BYTES_MAX];
        let read = file.head(&mut bytes)?;
        Ok(Self::of(&bytes[..read]))
    }

    fn of(bytes: &[u8]) -> Self {
        /// ELF, and the forms of Mach-O.
        const MACHINE: [[u8; 4]; 4] = [
            *b"\x7fELF",
            [0xcf, 0xfa, 0xed, 0xfe],
            [0xca, 0xfe, 0xba, 0xbe],
            [0xca, 0xfe, 0xba, 0xbf],
        ];
        if MACHINE.iter().any(|magic| bytes.starts_with(magic)) {
            return Self::Machine;
        }
        let line = bytes.strip_prefix(b"#!").and_then(|rest| {
            // A first line that the kernel would cut names another program than it says.
            rest.iter().position(|b| *b == b'\n').map(|end| rest[..end].trim_ascii())
        });
        line.map_or(Self::Other, |line| Self::Script(Shebang::of(line)))
    }
}

impl Shebang {
    fn of(line: &[u8]) -> Self {
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let path = PathBuf::from(OsString::from_vec(line[..end].to_owned()));
        let argument = line[end..].trim_ascii();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file == "env" {
            // `env -S`, and variables, are names of no program and found nowhere.
            let name = String::from_utf8_lossy(argument).into_owned();
            return Self { name, path: None, argument: None };
        }
        let argument = (!argument.is_empty()).then(|| OsString::from_vec(argument.to_owned()));
        // What is relative would be looked for in the workspace.
        let name = if path.is_absolute() { file } else { path.display().to_string() };
        Self { name, path: Some(path), argument }
    }

    /// Where the line says the interpreter is.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        assert_eq!(Head::of(b"\x7fELF\x02"), Head::Machine);
        assert_eq!(Head::of(b"#!/bin/sh"), Head::Other);
        assert_eq!(Head::of(b"echo\n"), Head::Other);
        assert_eq!(Head::of(b""), Head::Other);
        let script = |line: &[u8]| match Head::of(line) {
            Head::Script(shebang) => (shebang.name, shebang.path, shebang.argument),
            other => panic!("{other:?}"),
        };
        let sh = ("sh".into(), Some("/bin/sh".into()), Some("-e x".into()));
        assert_eq!(script(b"#! /bin/sh -e x\nx"), sh);
        assert_eq!(script(b"#!/usr/bin/env node\n"), ("node".into(), None, None));
        assert_eq!(script(b"#!/usr/bin/env -S a b\n"), ("-S a b".into(), None, None));
        assert_eq!(script(b"#!./evil\n"), ("./evil".into(), Some("./evil".into()), None));
    }
}
