//! The editor a person chose, and what they are asked beside it.
//!
//! Owns who has the terminal's Ctrl-C: the editor as long as it is open, since `vi` stops a search with
//! it and must not lose whoever waits for the text; the question where one is asked. Never reads what
//! was written.

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Env;
use crate::output::{Exit, Failure};

/// What was pressed for the editor may arrive so much later.
const LATE: Duration = Duration::from_millis(20);

/// From here on to the end of the process the terminal's keys end nothing by themselves; a program that
/// is started has them as ever.
pub(super) struct Editor {
    /// Taken at the end: a question that nobody answered holds one of its threads.
    runtime: Option<Runtime>,
    keys: Keys,
}

struct Keys {
    interrupt: Signal,
    quit: Signal,
}

impl Editor {
    /// # Errors
    /// The system's.
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let keys = {
            let _entered = runtime.enter();
            Keys { interrupt: signal(SignalKind::interrupt())?, quit: signal(SignalKind::quit())? }
        };
        Ok(Self { runtime: Some(runtime), keys })
    }

    /// Opens the file and waits until it is closed.
    pub(super) fn open(&mut self, path: &Path) -> Result<(), Failure> {
        let env = Env::of_process();
        let editor = env.get("VISUAL").or_else(|| env.get("EDITOR")).unwrap_or("vi");
        // The variable may hold options too, so a shell reads it.
        let script = format!("{editor} \"$1\"");
        let ended = Command::new("/bin/sh").arg("-c").arg(script).arg("sh").arg(path).status();
        let hint = "`EDITOR=nano kairos schedule edit` uses another one";
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => {
                let message = format!("the editor `{editor}` ended with {status}");
                Err(Failure::new(Exit::No, "editor_failed", message).hint(hint))
            }
            Err(error) => Err(Failure::of(Exit::No, "editor_failed", &error).hint(hint)),
        }
    }

    /// What a person types; none at the end of input.
    ///
    /// # Errors
    /// They pressed Ctrl-C instead, or there is nobody to ask.
    pub(super) fn ask(&mut self, question: &str) -> Result<Option<String>, Failure> {
        let Some(runtime) = &self.runtime else { return Ok(None) };
        let keys = &mut self.keys;
        runtime.block_on(keys.forgotten());
        let mut err = io::stderr();
        write!(err, "{question}")?;
        err.flush()?;
        let typed = runtime.spawn_blocking(|| {
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line)?;
            Ok::<_, io::Error>((read > 0).then(|| line.trim().to_ascii_lowercase()))
        });
        let answer = runtime.block_on(async {
            tokio::select! {
                typed = typed => Some(typed),
                () = keys.pressed() => None,
            }
        });
        match answer {
            Some(Ok(typed)) => Ok(typed?),
            Some(Err(panicked)) => Err(Failure::of(Exit::Bug, "panicked", &panicked)),
            None => {
                // Whoever reads this is still on the question's line.
                let _ = writeln!(err);
                Err(Failure::new(Exit::Interrupted, "interrupted", "nothing was saved"))
            }
        }
    }
}

impl Keys {
    async fn pressed(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }

    /// What was pressed until now was for the editor.
    async fn forgotten(&mut self) {
        while tokio::time::timeout(LATE, self.pressed()).await.is_ok() {}
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
