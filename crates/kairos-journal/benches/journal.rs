//! The journal beside its controls.
//!
//! Every row stands beside a control of the same run: writes and syncs beside bare writes of the
//! same sizes into a file filled with zeros, in slices that alternate; checks beside plain SHA-256.
//! `cargo bench -p kairos-journal [-- NAME] [--json]`.

#![expect(clippy::print_stdout, reason = "a bench prints its rows")]

use std::borrow::Cow;
use std::error::Error;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kairos_core::fold::{At, Fold, Snapshot};
use kairos_core::id::NodeId;
use kairos_core::time::Time;
use kairos_disk::fs::{Access, write_full};
use kairos_disk::{Fs, RealFs};
use kairos_journal::{Ahead, Ledger, Lost, Opening, Segments, Tail, verify};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

type Outcome<T> = Result<T, Box<dyn Error>>;

const BODY_BYTES: usize = 256;
const FRAME_BYTES: usize = BODY_BYTES + 131;
const SLICE: Duration = Duration::from_millis(120);
const PAIRS: usize = 21;
const CONTROL_BYTES: u64 = 64 << 20;
const REPLAYED: u64 = 1_000_000;

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Noted { n: u64, text: Cow<'static, str> },
}

/// Adds up, so that nothing of a replay can be left out.
#[derive(Default, Serialize, Deserialize)]
struct Sum(u64);

impl Fold for Sum {
    type Event = Event;
    type Effect = ();

    fn apply(&mut self, _: At, Event::Noted { n, text }: &Event, _: &mut Vec<()>) {
        self.0 += n + text.len() as u64;
    }
}

impl Snapshot for Sum {
    const KIND: &'static str = "sum";
    const SCHEMA: u32 = 1;
    type Form = Self;

    fn form(&self) -> &Self {
        self
    }

    fn restore(&mut self, form: Self) {
        *self = form;
    }
}

type Book = Ledger<Sum, (), RealFs>;

#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    control: f64,
    ratio: f64,
    target: f64,
    met: bool,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let wanted = arguments.iter().find(|argument| !argument.starts_with("--"));
    type Part = (&'static str, fn() -> Outcome<Vec<Row>>);
    let parts: [Part; 4] = [
        ("commit 1", || commits(1, ["commit 1", "commit 1 p50"], 0.95)),
        ("commit 64", || commits(64, ["commit 64", "commit 64 p50"], 0.75)),
        ("rotation", rotation),
        ("verify replay", checks),
    ];
    if !json {
        println!(
            "{:<16} {:>12} {:>12} {:>7} {:>7}  unit",
            "", "value", "control", "ratio", "target"
        );
    }
    for (name, rows) in parts {
        if wanted.is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        for row in rows()? {
            if json {
                println!("{}", serde_json::to_string(&row)?);
            } else {
                let Row { name, value, unit, control, ratio, target, met } = row;
                let mark = if met { "" } else { "  MISSED" };
                println!(
                    "{name:<16} {value:>12.1} {control:>12.1} {ratio:>7.3} {target:>7.2}  {unit}{mark}"
                );
            }
        }
    }
    Ok(())
}

const PADDING: &str = match std::str::from_utf8(&[b'x'; BODY_BYTES]) {
    Ok(padding) => padding,
    Err(_) => panic!("x is UTF-8"),
};

fn at(ms: u64) -> Time {
    Time::from_ms(1_796_115_600_000).plus_ms(ms)
}

/// An event whose frame's body is `BODY_BYTES` long.
fn event(n: u64) -> Event {
    const AROUND: usize =
        r#"{"t":"2026-12-01T09:00:00.000Z","ev":[{"noted":{"n":,"text":""}}]}"#.len();
    let digits = n.max(1).ilog10() as usize + 1;
    // Made for nothing: the making of events is not the journal's.
    Event::Noted { n, text: Cow::Borrowed(&PADDING[..BODY_BYTES - AROUND - digits]) }
}

fn open(root: &Path, segments: Segments) -> Outcome<Book> {
    let lost: Lost<Sum> = Arc::new(|()| {});
    let opening = Opening { origin: NodeId::from_u128(1), epoch: 1, schema: 1, segments };
    Ok(Ledger::open(Arc::new(RealFs), RealFs.root(root)?, Sum::default(), lost, opening)?.0)
}

fn temporary() -> Outcome<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// One side of a comparison: does its operation until the slice is over.
#[derive(Default)]
struct Side {
    rates: Vec<f64>,
    micros: Vec<f64>,
}

impl Side {
    fn slice(&mut self, mut once: impl FnMut() -> Outcome<()>) -> Outcome<()> {
        let (start, mut done) = (Instant::now(), 0.0);
        while start.elapsed() < SLICE {
            let begun = Instant::now();
            once()?;
            self.micros.push(begun.elapsed().as_secs_f64() * 1e6);
            done += 1.0;
        }
        self.rates.push(done / start.elapsed().as_secs_f64());
        Ok(())
    }
}

fn commits(frames: u64, names: [&'static str; 2], target: f64) -> Outcome<Vec<Row>> {
    let root = temporary()?;
    let mut book = Some(open(root.path(), Segments::default())?);
    let bytes = vec![b'x'; FRAME_BYTES * usize::try_from(frames)?];
    let place = temporary()?;
    let dir = RealFs.root(place.path())?;
    let file = RealFs.create(&dir, "control".as_ref(), 0o600)?;
    write_full(&RealFs, &file, &vec![0; usize::try_from(CONTROL_BYTES)?], 0)?;
    RealFs.sync(&file)?;

    let (mut journal, mut control) = (Side::default(), Side::default());
    let (mut n, mut offset) = (0, 0);
    let start = Instant::now();
    let mut append = || -> Outcome<()> {
        let mut open = book.take().ok_or("a commit has failed")?;
        let now = at(u64::try_from(start.elapsed().as_millis())?);
        for _ in 0..frames {
            n += 1;
            open.record(now, vec![event(n)])?;
        }
        book = Some(open.commit()?.0);
        Ok(())
    };
    let mut bare = || -> Outcome<()> {
        if offset + bytes.len() as u64 > CONTROL_BYTES {
            offset = 0;
        }
        write_full(&RealFs, &file, &bytes, offset)?;
        RealFs.sync(&file)?;
        offset += bytes.len() as u64;
        Ok(())
    };
    for pair in 0..PAIRS {
        if pair % 2 == 0 {
            journal.slice(&mut append)?;
            control.slice(&mut bare)?;
        } else {
            control.slice(&mut bare)?;
            journal.slice(&mut append)?;
        }
    }
    let ratio = median(journal.rates.iter().zip(&control.rates).map(|(j, c)| j / c).collect());
    let (value, raw) = (median(journal.rates), median(control.rates));
    let (p50, raw_p50) = (median(journal.micros), median(control.micros));
    #[expect(clippy::cast_precision_loss, reason = "1 and 64 are exact")]
    let records = frames as f64;
    let mut rows = vec![Row {
        name: names[0],
        value: value * records,
        unit: "records/s",
        control: raw * records,
        ratio,
        target,
        met: ratio >= target,
    }];
    if frames == 1 {
        let target = raw_p50 + 10.0;
        let (ratio, met) = (p50 / raw_p50, p50 <= target);
        rows.push(Row {
            name: names[1],
            value: p50,
            unit: "us",
            control: raw_p50,
            ratio,
            target,
            met,
        });
    }
    Ok(rows)
}

/// Commits that go over into the next segment, beside those around them.
fn rotation() -> Outcome<Vec<Row>> {
    const CROSSINGS: usize = 200;
    const AT_ONCE: u64 = 64;
    let root = temporary()?;
    let segments = Segments::new(4 << 20, 4 << 20, Ahead::Thread);
    let mut book = open(root.path(), segments)?;
    let (mut usual, mut crossing) = (Vec::new(), Vec::new());
    let mut n = 0;
    while crossing.len() < CROSSINGS {
        let (begun, sealed) = (Instant::now(), book.sealed());
        for _ in 0..AT_ONCE {
            n += 1;
            // The room of a turn is asked for before each input, as the engine does.
            book.room(at(n));
            book.record(at(n), vec![event(n)])?;
        }
        book = book.commit()?.0;
        let took = begun.elapsed().as_secs_f64() * 1e6;
        if book.sealed() == sealed { usual.push(took) } else { crossing.push(took) }
    }
    let (p99, control) = (within(&mut crossing, 99), within(&mut usual, 99));
    let row = |name, value: f64| {
        let (target, ratio) = (2.0, value / control);
        Row { name, value, unit: "us", control, ratio, target, met: ratio <= target }
    };
    let p50 = within(&mut crossing, 50);
    Ok(vec![row("rotation, p50", p50), row("rotation, p99", p99)])
}

fn checks() -> Outcome<Vec<Row>> {
    let root = temporary()?;
    let segments = Segments::new(64 << 20, 64 << 20, Ahead::OnDemand);
    let mut book = open(root.path(), segments)?;
    for n in 1..=REPLAYED {
        book.record(at(n / 50), vec![event(n)])?;
        if n % 1000 == 0 {
            book = book.commit()?.0;
        }
    }
    let sum = book.state().0;
    drop(book);

    let dir = RealFs.root(root.path())?;
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..7 {
        for (cores, times) in [1, 2].into_iter().zip(&mut times) {
            let cores = NonZero::new(cores).ok_or("no cores")?;
            times.push(timed(|| {
                let verdict = verify(&RealFs, &dir, Tail::Still, cores)?;
                if verdict.frames == REPLAYED { Ok(()) } else { Err("frames are missing".into()) }
            })?);
        }
        times[2].push(timed(|| plain_sha256(&dir))?);
        times[3].push(timed(|| {
            let book = open(root.path(), segments)?;
            if book.state().0 == sum { Ok(()) } else { Err("the replay differs".into()) }
        })?);
    }
    let ratios = |above: usize, below: usize| {
        median(times[above].iter().zip(&times[below]).map(|(a, b)| a / b).collect())
    };
    let (of_plain, of_one) = (ratios(2, 0), ratios(0, 1));
    let [one, two, plain, replay] = times.map(median);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let mib = (REPLAYED * FRAME_BYTES as u64) as f64 / f64::from(1 << 20);
    let rate = |name, seconds: f64, control: f64, ratio, target| {
        let (value, control) = (mib / seconds, mib / control);
        Row { name, value, unit: "MiB/s", control, ratio, target, met: ratio >= target }
    };
    Ok(vec![
        rate("verify", one, plain, of_plain, 0.70),
        rate("verify, 2 cores", two, one, of_one, 1.8),
        Row {
            name: "replay 1 M",
            value: replay,
            unit: "s",
            control: plain,
            ratio: replay / plain,
            target: 1.5,
            met: replay <= 1.5,
        },
    ])
}

/// Reads the same files whole, as `verify` does, and hashes them.
fn plain_sha256(dir: &<RealFs as Fs>::Dir) -> Outcome<()> {
    let mut left = REPLAYED * FRAME_BYTES as u64;
    let mut names = RealFs.list(dir)?;
    names.retain(|name| name.as_encoded_bytes().ends_with(b".kj"));
    names.sort();
    let mut bytes = Vec::new();
    let mut hash = Sha256::new();
    for name in names {
        let file = RealFs.open(dir, &name, Access::Read)?;
        bytes.resize(usize::try_from(RealFs.stat_file(&file)?.bytes)?, 0);
        let mut read = 0;
        while read < bytes.len() {
            read += RealFs.read_at(&file, &mut bytes[read..], read as u64)?;
        }
        let here = left.min(bytes.len() as u64);
        hash.update(&bytes[..usize::try_from(here)?]);
        left -= here;
    }
    std::hint::black_box(hash.finalize());
    Ok(())
}

fn timed(once: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    once()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value within which so many of a hundred lie.
fn within(values: &mut [f64], hundredths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * hundredths / 100]
}
