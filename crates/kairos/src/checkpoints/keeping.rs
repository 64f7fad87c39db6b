//! One at a time in the directory of checkpoints.
//!
//! Owns the turn of whoever writes there. Signing may read the whole journal, so nobody waits for
//! its turn without looking whether it is to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long who waits may not have seen that it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    taken: Mutex<bool>,
    left: Condvar,
}

/// A turn, until dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a Keeping);

impl Keeping {
    /// Waits for the turn; `None` once told to `stop`.
    pub(super) fn take(&self, stop: &AtomicBool) -> Option<Turn<'_>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let waited = self.left.wait_timeout(taken, LOOK);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = true;
        Some(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_waits_while_another_signs_stops_when_told_to() {
        let (keeping, stop) = (Keeping::default(), AtomicBool::new(false));
        let signing = keeping.take(&stop).expect("nobody has it");
        thread::scope(|scope| {
            let looks = scope.spawn(|| keeping.take(&stop).is_some());
            stop.store(true, Ordering::Relaxed);
            assert!(!looks.join().expect("it does not panic"));
        });
        drop(signing);
        assert!(keeping.take(&stop).is_some(), "what is free is taken all the same");
    }

    #[test]
    fn one_after_the_other_has_its_turn() {
        let (keeping, stop) = (Keeping::default(), AtomicBool::new(false));
        let inside = Mutex::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let _turn = keeping.take(&stop).expect("nobody stops");
                    *inside.try_lock().expect("it is alone") += 1;
                });
            }
        });
        assert_eq!(inside.into_inner().expect("nobody panicked"), 4);
    }
}
