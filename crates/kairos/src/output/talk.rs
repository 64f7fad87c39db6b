//! Where a verb's words go.
//!
//! Owns the choice between a table and JSON, stdout for data and stderr for talk. A reader that
//! went away is told apart from an error in [`Failure`].

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use super::{Failure, Table};

/// The verb's stdout.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) json: bool,
    stdout: BufWriter<StdoutLock<'static>>,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, stdout: BufWriter::new(io::stdout().lock()) }
    }

    /// One JSON object on its own line.
    pub(crate) fn object(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.stdout, value).map_err(io::Error::from)?;
        writeln!(self.stdout)?;
        Ok(())
    }

    /// What a command was about, bare; its id alone when the daemon cannot show it yet.
    pub(crate) fn entity<T: Serialize>(
        &mut self,
        id: &str,
        entity: Option<&T>,
    ) -> Result<(), Failure> {
        match entity {
            Some(entity) => self.object(entity),
            None => self.object(&serde_json::json!({ "id": id })),
        }
    }

    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        Ok(writeln!(self.stdout, "{}", text.as_ref())?)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.stdout.write_all(bytes)?)
    }

    /// A table; of one without rows nothing, and `empty` is said beside the data.
    pub(crate) fn table(&mut self, table: &Table, empty: &str) -> Result<(), Failure> {
        if table.is_empty() {
            say(empty);
            return Ok(());
        }
        Ok(table.write(&mut self.stdout)?)
    }

    /// Lets a reader see what was written so far.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.stdout.flush()?)
    }
}

/// Says something beside the data.
pub(crate) fn say(text: impl AsRef<str>) {
    // Talk that nobody can hear is no failure of the verb.
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// Whether stdout may be coloured: a terminal, and `NO_COLOR` not set to something.
pub(crate) fn coloured() -> bool {
    io::stdout().is_terminal() && wanted()
}

/// The same for what is said beside the data.
pub(crate) fn talk_coloured() -> bool {
    io::stderr().is_terminal() && wanted()
}

fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
