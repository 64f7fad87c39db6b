//! Ending a command from another thread.
//!
//! Owns the wish and who has to hear of it. Never decides when: whoever halts or drains holds one for
//! each command that is on its way.

use std::sync::{Arc, Mutex, PoisonError};

use kairos_sandbox::Killer;

/// Ends one command, now or as soon as it begins. Clones are the same stop.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Mutex<Pulled>>);

#[derive(Debug, Default)]
struct Pulled {
    wish: Option<Wish>,
    killer: Option<Killer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    End,
    Kill,
}

impl Stop {
    /// Everything in the command is asked to end (TERM), and killed after its grace.
    pub fn end(&self) {
        self.pull(Wish::End);
    }

    /// Everything in the command is killed.
    pub fn kill(&self) {
        self.pull(Wish::Kill);
    }

    /// Whether it was told to end, by either.
    pub fn is_pulled(&self) -> bool {
        self.lock().wish.is_some()
    }

    pub(super) fn watch(&self, killer: Killer) {
        let mut pulled = self.lock();
        if let Some(wish) = pulled.wish {
            tell(&killer, wish);
        }
        pulled.killer = Some(killer);
    }

    fn pull(&self, wish: Wish) {
        let mut pulled = self.lock();
        pulled.wish = pulled.wish.max(Some(wish));
        if let Some(killer) = &pulled.killer {
            tell(killer, wish);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pulled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(killer: &Killer, wish: Wish) {
    match wish {
        Wish::End => killer.end(),
        Wish::Kill => killer.kill(),
    }
}
