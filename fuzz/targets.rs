//! What is fuzzed: everything that reads bytes nobody vouches for.
//!
//! A target takes any bytes, and panics where a promise is broken. The programs in `fuzz_targets/` hand
//! them what libFuzzer finds; a test of the simulated disk hands them the corpus, mutated, on any
//! toolchain. A new target is a function, a line in [`TARGETS`], a program and a corpus.

#[path = "targets/note.rs"]
mod note;
#[path = "targets/snapshot.rs"]
mod snapshot;

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use kairos_core::digest::{BlobRef, Digest};
use kairos_core::event::Event;
use kairos_core::fold::{At, Fold, Seq, Snapshot};
use kairos_core::id::NodeId;
use kairos_journal::{Ahead, Ledger, OpenError, Opened, Opening, Reader, Segments, Tail, verify};
use kairos_sim::{Rules, SimFs};

pub use note::note;
pub use snapshot::snapshot;

type Target = fn(&[u8]);

/// By name, as in `corpus/`.
pub const TARGETS: [(&str, Target); 6] = [
    ("segment", segment),
    ("bodies", bodies),
    ("record", record),
    ("blob_ref", blob_ref),
    ("snapshot", snapshot),
    ("note", note),
];

const SEGMENT_BYTES_MAX: usize = 1 << 16;
const FIRST: &str = "00000000000000000001.kj";

struct Nothing;

impl Fold for Nothing {
    type Event = Event;
    type Effect = ();

    fn apply(&mut self, _: At, _: &Event, _: &mut Vec<()>) {}
}

impl Snapshot for Nothing {
    const KIND: &'static str = "nothing";
    const SCHEMA: u32 = 1;
    type Form = ();

    fn form(&self) -> &() {
        &()
    }

    fn restore(&mut self, (): ()) {}
}

fn opening() -> Opening {
    let segments = Segments::new(4096, 8192, Ahead::OnDemand);
    Opening { origin: NodeId::from_u128(7), epoch: 1, schema: 1, segments }
}

fn open(fs: &SimFs) -> Result<Opened, OpenError> {
    let lost = Arc::new(|()| {});
    Ledger::<_, (), _>::open(Arc::new(fs.clone()), fs.root(), Nothing, lost, opening())
        .map(|(_, opened)| opened)
}

/// Any bytes as the first segment of a journal.
pub fn segment(bytes: &[u8]) {
    let mut bytes = bytes[..bytes.len().min(SEGMENT_BYTES_MAX)].to_vec();
    bytes.resize(bytes.len().max(1).next_multiple_of(4096), 0);
    journal(&bytes);
}

/// Any bytes as the bodies of frames that hold, a line each.
pub fn bodies(bytes: &[u8]) {
    let mut segment = Vec::new();
    let mut prev = "0".repeat(64);
    let lines = bytes[..bytes.len().min(SEGMENT_BYTES_MAX / 4)].split(|byte| *byte == b'\n');
    for (body, seq) in lines.zip(1..=64) {
        let frame = sealed(body, seq, &prev);
        prev = Digest::of(&[&[0], &frame[..]].concat()).to_string();
        segment.extend(frame);
    }
    // As long as the first body says, if it does.
    let text = String::from_utf8_lossy(bytes);
    let length = text.split_once("\"bytes\":").and_then(|(_, rest)| {
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
    });
    let length = length.filter(|length| (segment.len()..=SEGMENT_BYTES_MAX).contains(length));
    segment.resize(length.unwrap_or(segment.len().next_multiple_of(4096)), 0);
    journal(&segment);
}

/// A frame as the format has it.
fn sealed(body: &[u8], seq: u64, prev: &str) -> Vec<u8> {
    let head = format!("kj1 {:08x} {seq:016} {:016} {prev} {:08x} ", body.len(), 0, crc(body));
    let head = format!("{head}{:08x} ", crc(head.as_bytes()));
    [head.as_bytes(), body, b"\n"].concat()
}

/// CRC-32 IEEE, a bit at a time.
fn crc(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    !crc
}

/// What every reader says of a journal of one segment: the same, and again the same. Of a damaged
/// one, whoever reads on it frame by frame has seen those that hold before it comes to the damage.
fn journal(segment: &[u8]) {
    let fs = SimFs::new(Rules::default());
    fs.put(Path::new(FIRST), segment, 0o600).expect("nothing fails");
    let cores = NonZero::<usize>::MIN;
    let verdict = verify(&fs, &fs.root(), Tail::Still, cores).expect("nothing fails");
    let live = verify(&fs, &fs.root(), Tail::Live, cores).expect("nothing fails");
    assert!(live.ok || !verdict.ok, "{live:?}, {verdict:?}");
    let mut reader = Reader::new(Arc::new(fs.clone()), fs.root(), Seq(1), Tail::Still);
    let read = std::iter::from_fn(|| reader.next_record::<Event>().ok().flatten()).count() as u64;
    match open(&fs) {
        Err(OpenError::Damaged(_)) => {}
        Err(OpenError::Unreadable { .. } | OpenError::Time { .. }) => {}
        Err(error) => panic!("{error}"),
        Ok(opened) => {
            assert!(verdict.ok, "{verdict:?}, {opened:?}");
            assert_eq!((opened.frames, read), (verdict.frames, verdict.frames));
            let again = open(&fs).expect("it has opened before");
            assert_eq!(again, Opened { recovered: None, ..opened });
        }
    }
}

/// Any bytes as an event: what is read is written to what reads the same.
pub fn record(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Event>(bytes) else { return };
    let written = serde_json::to_vec(&event).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<Event>(&written).expect("and read again"), event);
}

/// Any bytes as a reference to a blob: one text for each.
pub fn blob_ref(bytes: &[u8]) {
    if let Ok(blob) = serde_json::from_slice::<BlobRef>(bytes) {
        let written = serde_json::to_vec(&blob).expect("what was read can be written");
        assert_eq!(serde_json::from_slice::<BlobRef>(&written).expect("and read again"), blob);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(text.strip_prefix("sha256:").unwrap_or(text), digest.to_string());
    }
}
