//! Other stores beside the same bare writes: what a commit would cost with one of them.
//!
//! Owns the rows of SQLite, redb and fjall, each made to sync before it answers, and of SQLite behind
//! the same door as the engine. None of them is used by anything that ships.
//! `cargo bench -p kairos-bench --features databases --bench databases [-- --json]`.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use fjall::{KeyspaceCreateOptions, PersistMode};
use kairos_bench::crowd::{Crowd, runtime};
use kairos_bench::raw::Raw;
use kairos_bench::row::{Row, print};
use kairos_bench::slices::{SLICE, Side, alternate, count, micros};
use kairos_bench::{Done, temporary};
use redb::{Durability, TableDefinition};
use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A record of the journal's rows: a body of 256 bytes and its frame.
const RECORD_BYTES: usize = 256 + 131;
/// Tasks at the door.
const TASKS: usize = 64;

fn main() -> Done<()> {
    for records in [1, 64] {
        print(&stores(records)?)?;
    }
    print(&door()?)
}

/// Keeps so many records and syncs.
type Commit = Box<dyn FnMut() -> Done<()>>;

fn stores(records: usize) -> Done<Vec<Row>> {
    let root = temporary()?;
    let makes: [(&str, fn(&Path, usize) -> Done<Commit>); 3] =
        [("SQLite WAL FULL", sqlite), ("redb Immediate", redb), ("fjall SyncData", fjall)];
    let mut raw = Raw::new()?;
    let bytes = vec![b'x'; RECORD_BYTES * records];
    let mut rows = Vec::new();
    for (name, make) in makes {
        let mut commit = make(root.path(), records)?;
        let (mut theirs, mut bare) = (Side::default(), Side::default());
        alternate(&mut [&mut || theirs.slice(&mut commit), &mut || {
            bare.slice(|| raw.write(&bytes))
        }])?;
        let (each, name) = (count(records), format!("{name}, {records} a commit"));
        let row = Row::new(name, theirs.rate() * each, "records/s").beside(bare.rate() * each);
        rows.push(row.ratio(theirs.rate_to(&bare)));
    }
    Ok(rows)
}

fn sqlite(root: &Path, records: usize) -> Done<Commit> {
    let mut table = Table::open(&root.join(format!("sqlite-{records}")))?;
    Ok(Box::new(move || table.insert(records)))
}

fn redb(root: &Path, records: usize) -> Done<Commit> {
    const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
    let store = redb::Database::create(root.join(format!("redb-{records}")))?;
    let (mut n, record) = (0, [b'x'; RECORD_BYTES]);
    Ok(Box::new(move || {
        let mut write = store.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        let mut table = write.open_table(RECORDS)?;
        for _ in 0..records {
            n += 1;
            table.insert(n, &record[..])?;
        }
        drop(table);
        Ok(write.commit()?)
    }))
}

fn fjall(root: &Path, records: usize) -> Done<Commit> {
    let store = fjall::Database::builder(root.join(format!("fjall-{records}"))).open()?;
    let keyspace = store.keyspace("records", KeyspaceCreateOptions::default)?;
    let (mut n, record) = (0_u64, [b'x'; RECORD_BYTES]);
    Ok(Box::new(move || {
        let mut batch = store.batch();
        for _ in 0..records {
            n += 1;
            batch.insert(&keyspace, n.to_be_bytes(), &record[..]);
        }
        batch.commit()?;
        Ok(store.persist(PersistMode::SyncData)?)
    }))
}

/// A table of SQLite that is written ahead and synced at each commit.
struct Table {
    connection: Connection,
    n: i64,
}

impl Table {
    fn open(file: &Path) -> Done<Self> {
        let connection = Connection::open(file)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute("CREATE TABLE records (n INTEGER PRIMARY KEY, record BLOB)", [])?;
        Ok(Self { connection, n: 0 })
    }

    fn insert(&mut self, records: usize) -> Done<()> {
        let transaction = self.connection.transaction()?;
        let mut insert = transaction.prepare_cached("INSERT INTO records VALUES (?1, ?2)")?;
        for _ in 0..records {
            self.n += 1;
            insert.execute((self.n, &[b'x'; RECORD_BYTES][..]))?;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }
}

/// As many tasks before the engine as before a thread that has SQLite for a journal.
fn door() -> Done<[Row; 1]> {
    let (root, place) = (temporary()?, temporary()?);
    let mut crowd = Crowd::start(root.path(), TASKS)?;
    let (asks, asked) = sync_channel(10_000);
    let mut table = Table::open(&place.path().join("sqlite"))?;
    let writer = std::thread::spawn(move || write(&mut table, &asked));
    let runtime = runtime()?;
    let (mut ours, mut theirs) = (Side::default(), Side::default());
    alternate(&mut [&mut || crowd.slice(&mut ours), &mut || {
        let (start, before) = (Instant::now(), theirs.micros.len());
        runtime.block_on(ask(&asks, &mut theirs.micros))?;
        theirs.took(theirs.micros.len() - before, start.elapsed());
        Ok(())
    }])?;
    drop(asks);
    writer.join().map_err(|_| "the writer panicked")??;
    crowd.stop()?;
    let row = Row::new("submit, 64 tasks, to SQLite FULL", ours.rate(), "records/s");
    Ok([row.beside(theirs.rate()).ratio(ours.rate_to(&theirs)).at_least_times(1.8)])
}

/// One slice of tasks that each wait until a record of theirs is kept.
async fn ask(asks: &SyncSender<oneshot::Sender<()>>, micros_taken: &mut Vec<f64>) -> Done<()> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let asks = asks.clone();
        tasks.spawn(async move {
            let mut took = Vec::new();
            while start.elapsed() < SLICE {
                let begun = Instant::now();
                let (answer, answered) = oneshot::channel();
                asks.try_send(answer).map_err(|_| "the writer is gone")?;
                answered.await?;
                took.push(micros(begun.elapsed()));
            }
            Done::Ok(took)
        });
    }
    while let Some(ended) = tasks.join_next().await {
        micros_taken.extend(ended??);
    }
    Ok(())
}

/// Keeps a record for each that waits, all in one transaction, and answers them.
fn write(table: &mut Table, asked: &Receiver<oneshot::Sender<()>>) -> Done<()> {
    while let Ok(first) = asked.recv() {
        let mut answers = vec![first];
        answers.extend(asked.try_iter());
        table.insert(answers.len())?;
        for answer in answers {
            answer.send(()).ok();
        }
    }
    Ok(())
}
