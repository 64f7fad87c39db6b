//! `canonical.json` and `approval_hash.json`: texts and hashes of values.
//!
//! What the predecessor leaves out of a hash (volatile keys at any depth, the state of a proposal
//! at its top) is left out here, because kairos never puts it in: it hashes trees built of meaning.

use kairos_core::canonical::Tree;
use kairos_core::digest::Digest;
use serde_json::Value;

use crate::harness::{Outcome, run};

const VOLATILE: [&str; 5] = ["timestamp", "ts", "request_id", "trace_id", "nonce"];

const PROPOSAL_STATE: [&str; 5] =
    ["status", "proposal_hash", "created_at", "expires_at", "ttl_seconds"];

#[test]
fn canonical() {
    run("canonical.json", |case| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(raw) = text(&case["input"]["raw_string"]) {
            let ours = format!("sha256-{}", Digest::of(raw.as_bytes()));
            return Outcome::equal(&Some(ours), &text(&case["expected"]["sha256"]));
        }
        let json = text(&case["input"]["json_text"]).expect("a JSON text");
        let tree = match Tree::parse(&json) {
            Ok(tree) => without_volatile(tree),
            Err(e) => return Outcome::Mismatch(e.to_string()),
        };
        let ours = (Some(tree.to_string()), Some(format!("sha256-{}", tree.digest())));
        let expected = &case["expected"];
        Outcome::equal(&ours, &(text(&expected["canonical"]), text(&expected["sha256_json"])))
    });
}

/// Only the hash: status, times and files of a proposal are the journal's here.
#[test]
fn approval_hash() {
    run("approval_hash.json", |case| {
        let json = case["input"]["proposal_json_text"].as_str().expect("a JSON text");
        let mut entries = match Tree::parse(json) {
            Ok(Tree::Map(entries)) => entries,
            other => return Outcome::Mismatch(format!("{other:?}")),
        };
        entries.retain(|key, _| !PROPOSAL_STATE.contains(&key.as_str()));
        let ours = format!("sha256:{}", Tree::Map(entries).digest());
        Outcome::equal(&Value::String(ours), &case["expected"]["proposal_hash"])
    });
}

pub(crate) fn without_volatile(tree: Tree) -> Tree {
    match tree {
        Tree::List(values) => Tree::List(values.into_iter().map(without_volatile).collect()),
        Tree::Map(entries) => Tree::Map(
            entries
                .into_iter()
                .filter(|(key, _)| !VOLATILE.contains(&key.as_str()))
                .map(|(key, value)| (key, without_volatile(value)))
                .collect(),
        ),
        leaf @ (Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_)) => leaf,
    }
}
