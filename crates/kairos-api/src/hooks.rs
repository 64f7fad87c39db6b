//! Webhooks: which there are, and whether a delivery's signature holds.
//!
//! Owns the secrets of the hooks in use and the count of wrong signatures. Never records and never
//! shows a secret. Whoever puts the parts together says which hooks there are, at the start and after
//! each reload.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kairos_core::digest::Digest;
use kairos_core::schedule::definition::ScheduleName;
use ring::hmac;

/// Wrong signatures of one hook in a [`WINDOW`], after which it is told that there are too many.
const WRONG_MAX: u32 = 30;
/// Seconds after which wrong signatures are counted anew.
pub(crate) const WINDOW_S: u32 = 60;
const WINDOW: Duration = Duration::from_secs(WINDOW_S as u64);

/// The hooks in use; clones share them.
#[derive(Clone, Default)]
pub struct Hooks(Arc<Mutex<BTreeMap<ScheduleName, Hook>>>);

struct Hook {
    /// What the schedule is over time.
    identity: ScheduleName,
    key: hmac::Key,
    wrong: Wrong,
}

/// Wrong signatures since the window began.
#[derive(Clone, Copy, Default)]
struct Wrong {
    since: Option<Instant>,
    count: u32,
}

/// What a signature proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Who sent it knows the secret of the schedule of this identity.
    Holds {
        identity: ScheduleName,
    },
    Wrong,
    /// So it is too, and others came before it.
    TooMany,
    NoSuchHook,
}

impl Hooks {
    /// Takes the place of the hooks so far: the schedule's name, what it is over time, its secret.
    pub fn set<'a>(
        &self,
        hooks: impl IntoIterator<Item = (&'a ScheduleName, &'a ScheduleName, &'a str)>,
    ) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *known);
        known.extend(hooks.into_iter().map(|(name, identity, secret)| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let wrong = before.get(name).map(|hook| hook.wrong).unwrap_or_default();
            (name.clone(), Hook { identity: identity.clone(), key, wrong })
        }));
    }

    /// Whether `signature`, as `sha256=` and 64 hexadecimal digits, is that of `body`. Compared in a
    /// time that does not depend on where they differ.
    pub(crate) fn prove(&self, name: &str, signature: Option<&[u8]>, body: &[u8]) -> Proof {
        let mut hooks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hook = name.parse::<ScheduleName>().ok().and_then(|name| hooks.get_mut(&name));
        let Some(hook) = hook else { return Proof::NoSuchHook };
        let tag = signature.and_then(tag);
        if tag.is_some_and(|tag| hmac::verify(&hook.key, body, tag.as_bytes()).is_ok()) {
            return Proof::Holds { identity: hook.identity.clone() };
        }
        if hook.wrong.is_one_too_many(Instant::now()) { Proof::TooMany } else { Proof::Wrong }
    }
}

impl Wrong {
    fn is_one_too_many(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            *self = Self { since: Some(now), count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count > WRONG_MAX
    }
}

fn tag(signature: &[u8]) -> Option<Digest> {
    let digits = std::str::from_utf8(signature).ok()?.trim().strip_prefix("sha256=")?;
    digits.to_ascii_lowercase().parse().ok()
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hooks() -> Hooks {
        let name = "deploy".parse().expect("a name");
        let hooks = Hooks::default();
        // The example of the documentation of the header that is accepted too.
        hooks.set([(&name, &name, "It's a Secret to Everybody")]);
        hooks
    }

    const SIGNED: &[u8] =
        b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn a_signature_holds_for_its_body_and_its_hook_alone() {
        let hooks = hooks();
        let identity = "deploy".parse().expect("a name");
        let proofs = [
            ("deploy", Some(SIGNED), &b"Hello, World!"[..]),
            ("deploy", Some(SIGNED), b"Hello, World"),
            ("deploy", Some(&SIGNED[7..]), b"Hello, World!"),
            ("deploy", None, b"Hello, World!"),
            ("other", Some(SIGNED), b"Hello, World!"),
        ]
        .map(|(name, signature, body)| hooks.prove(name, signature, body));
        let wrong = Proof::Wrong;
        assert_eq!(
            proofs,
            [Proof::Holds { identity }, wrong.clone(), wrong.clone(), wrong, Proof::NoSuchHook]
        );
    }

    #[test]
    fn after_thirty_wrong_signatures_a_right_one_still_holds() {
        let hooks = hooks();
        let wrong = |_| hooks.prove("deploy", None, b"");
        let proofs: Vec<_> = (0..31).map(wrong).collect();
        assert_eq!(proofs[..30], vec![Proof::Wrong; 30]);
        assert_eq!(proofs[30], Proof::TooMany);
        let right = hooks.prove("deploy", Some(SIGNED), b"Hello, World!");
        assert!(matches!(right, Proof::Holds { .. }), "{right:?}");
        let mut old = Wrong { since: Instant::now().checked_sub(WINDOW), count: 31 };
        assert!(!old.is_one_too_many(Instant::now()));
    }
}
