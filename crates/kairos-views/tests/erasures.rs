//! Erasures as people are told of them.

use kairos_core::digest::{BlobRef, Digest};
use kairos_core::erasure::ErasureEnd;
use kairos_core::event::Event;
use kairos_core::fold::{At, Seq};
use kairos_core::principal::Principal;
use kairos_core::time::Time;
use kairos_views::{ERASURES_MAX, ErasureView, Views};

fn ann() -> Principal {
    "user:ann(1000)".parse().expect("a principal")
}

fn at(second: u64) -> At {
    At { seq: Seq(second), time: Time::EPOCH.plus_ms(second * 1000) }
}

fn nth(n: usize) -> Digest {
    Digest::of(&n.to_be_bytes())
}

fn erased(blob: Digest, reason: &str) -> Event {
    Event::BlobErased { blob, reason: BlobRef::of(reason.as_bytes()), by: ann() }
}

#[test]
fn the_latest_erasure_of_a_text_is_kept_with_its_end() {
    let mut views = Views::default();
    let (blob, gone) = (nth(1), ErasureEnd::Gone);
    let view = |reason: &str, asked: u64, end| ErasureView {
        blob,
        at: at(asked).time,
        by: ann(),
        reason: BlobRef::of(reason.as_bytes()),
        end,
    };
    views.apply(at(1), &[erased(blob, "it leaked")]);
    assert_eq!(views.erasures.get(blob), Some(&view("it leaked", 1, None)));
    views.apply(at(2), &[Event::ErasureSettled { blob, end: gone }]);
    let ended = view("it leaked", 1, Some((gone, at(2).time)));
    assert_eq!(views.erasures.get(blob), Some(&ended));
    views.apply(at(3), &[erased(blob, "again")]);
    assert_eq!(views.erasures.get(blob), Some(&view("again", 3, None)));
    assert_eq!(views.erasures.get(nth(2)), None);
    // The end of one that was forgotten.
    views.apply(at(4), &[Event::ErasureSettled { blob: nth(2), end: gone }]);
    assert_eq!(views.erasures.all().len(), 1);
}

#[test]
fn the_newest_ten_thousand_are_kept() {
    let mut views = Views::default();
    (0..ERASURES_MAX).for_each(|n| views.apply(at(1), &[erased(nth(n), "why")]));
    // The oldest is wanted gone once more, so it is the newest.
    views.apply(at(2), &[erased(nth(0), "why"), erased(nth(ERASURES_MAX), "why")]);
    assert_eq!(views.erasures.all().len(), ERASURES_MAX);
    let kept = [0, 1, 2, ERASURES_MAX].map(|n| views.erasures.get(nth(n)).is_some());
    assert_eq!(kept, [true, false, true, true]);
}

#[test]
fn views_that_were_written_before_there_were_erasures_are_read() {
    let mut written = serde_json::to_value(Views::default()).expect("views are JSON");
    let fields = written.as_object_mut().expect("an object");
    assert!(fields.remove("erasures").is_some());
    let views: Views = serde_json::from_value(written).expect("version 1 is read");
    assert!(views.erasures.all().is_empty());
}
