//! Commands through the engine's door, beside as many bare records with one sync.
//!
//! Owns the rows of 1, 64 and 256 tasks. Each waits for its answer before it submits again, so a
//! commit holds what came while the one before it was written.
//! `cargo bench -p kairos-bench --bench submit [-- --json]`.

use kairos_bench::crowd::Crowd;
use kairos_bench::raw::Raw;
use kairos_bench::row::{Row, print};
use kairos_bench::slices::{Side, alternate, count};
use kairos_bench::{Done, temporary};

fn main() -> Done<()> {
    let one = measured(1, 1)?;
    let rate = one.rate("submit, 1 task").at_least(0.60);
    print(&[rate, one.within("submit, 1 task, p50", 0.5).at_most_above(60.0)])?;
    let many = measured(64, 64)?;
    let rate = many.rate("submit, 64 tasks").at_least(0.35);
    print(&[rate, many.within("submit, 64 tasks, p99", 0.99).at_most_times(3.0)])?;
    // Beyond 64 records a larger batch is no cheaper a record, so the control stays.
    let most = measured(256, 64)?;
    print(&[most.rate("submit, 256 tasks").at_least(0.80)])
}

struct Measured {
    crowd: Side,
    raw: Side,
    /// Records of one bare write.
    batch: usize,
}

fn measured(tasks: usize, batch: usize) -> Done<Measured> {
    let root = temporary()?;
    let mut crowd = Crowd::start(root.path(), tasks)?;
    // Warms up, and says how long the records are.
    crowd.slice(&mut Side::default())?;
    let bytes = vec![b'x'; crowd.frame_bytes()? * batch];
    let mut raw = Raw::new()?;
    let (mut ours, mut bare) = (Side::default(), Side::default());
    alternate(&mut [&mut || crowd.slice(&mut ours), &mut || bare.slice(|| raw.write(&bytes))])?;
    crowd.stop()?;
    Ok(Measured { crowd: ours, raw: bare, batch })
}

impl Measured {
    fn rate(&self, name: &str) -> Row {
        let batch = count(self.batch);
        let control = self.raw.rate() * batch;
        let ratio = self.crowd.rate_to(&self.raw) / batch;
        Row::new(name, self.crowd.rate(), "records/s").beside(control).ratio(ratio)
    }

    fn within(&self, name: &str, share: f64) -> Row {
        Row::new(name, self.crowd.within(share), "us").beside(self.raw.within(share))
    }
}
