//! What a model reads.

#[expect(dead_code, reason = "only the file tests look at the workspace")]
mod common;

use common::World;
use kairos_core::cycle::brief::{Brief, Fragment, From, OWN_BYTES_MAX, Part};
use kairos_core::cycle::phase::Phase;
use kairos_core::path::RelPath;
use kairos_effects::model::prompt;

fn brief(fragments: Vec<Fragment>, files_left_out: u32) -> Brief {
    Brief { phase: Phase::Decide, cycle: 1, fragments, results: Vec::new(), files_left_out }
}

fn file(world: &World, path: RelPath, text: &str) -> Fragment {
    let text = world.texts.put(text.as_bytes()).expect("stored");
    Fragment { part: Part::File(path), from: From::Workspace, text, bytes_max: text.bytes }
}

#[test]
fn files_that_are_not_shown_are_counted() {
    let world = World::new(&[]);
    let read = file(&world, "a.md".parse().expect("a path"), "text of a");
    let shown = prompt::render(&brief(vec![read], 3), &world.texts).expect("the texts are there");
    assert!(shown.user.contains("## File `a.md`\n"), "{}", shown.user);
    assert!(shown.user.contains("\n3 more files that the operator named"), "{}", shown.user);
}

/// What a call reserves counts on it: a name may be as long as a path gets, and many may be named.
#[test]
fn our_own_words_stay_within_what_is_reserved_for_them() {
    let world = World::new(&[]);
    let names = (0..64u32).map(|n| format!("{n:04}{}", "x".repeat(4_000)));
    let files = names.map(|name| file(&world, name.parse().expect("a path"), "-")).collect();
    let shown = prompt::render(&brief(files, 7), &world.texts).expect("the texts are there");
    let own = shown.system.len() + shown.user.len() - shown.user.matches("\n-\n").count();
    assert!(own as u64 <= OWN_BYTES_MAX, "{own}");
    assert!(shown.user.contains("more pieces are not shown"), "{own}");
    assert!(shown.user.contains("\n## What is asked\n"), "{own}");
}
