//! Signed checkpoints of a real daemon: made, kept, published, verified, and proven by a program
//! that is not ours.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::home::Home;
use crate::lifecycle::{lines, logged, signal, stop};

const SCHEDULES: &str = "schedules: [{name: never, cron: '0 0 29 2 *', mandate: {goal: g}}]\n";

/// The notes that are kept, oldest first.
fn notes(home: &Home) -> Vec<PathBuf> {
    let kept = fs::read_dir(home.root().join(".kairos/checkpoints")).expect("it was made");
    let paths = kept.map(|entry| entry.expect("an entry").path());
    let mut notes: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|kind| kind == "note")).collect();
    notes.sort();
    notes
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("it is there")
}

fn arg(path: &Path) -> &str {
    path.to_str().expect("the test's paths are text")
}

/// A daemon's whole life; afterwards its journal and what is kept of it stand still.
fn lived() -> (Home, PathBuf) {
    let home = Home::new();
    home.write(".kairos/config/schedules.yml", SCHEDULES);
    stop(&mut home.daemon());
    let note = notes(&home).pop().expect("a clean stop signs");
    (home, note)
}

#[test]
fn a_clean_stop_signs_what_stands_in_the_journal() {
    let (home, note) = lived();
    let verdict = home.json(&["journal", "verify", "--checkpoint", arg(&note)]);
    let head = verdict["head"].as_u64().expect("a number");
    let root = text(&note).lines().nth(2).expect("a root").to_owned();
    let expected = json!({
        "ok": true, "frames": head, "head": head, "problem": null,
        "checkpoint": {"size": head, "root": root, "ok": true},
    });
    assert_eq!(verdict, expected);
    // Whoever asks without a daemon gets the same note.
    assert_eq!(home.ok(&["journal", "checkpoint"]), text(&note));
    let signed = home.json(&["journal", "checkpoint"]);
    assert_eq!(signed["note"], text(&note));
    let name = text(&note).lines().next().expect("an origin").to_owned();
    assert_eq!(signed["origin"], name);
    let key = home.read(".kairos/keys/checkpoint.pub");
    assert!(key.starts_with(&format!("{name}+")), "{key}");
    let frame = home.ok(&["journal", "show", "1"]);
    let node = name.strip_prefix("kairos/").expect("the node's name");
    assert!(frame.contains(&format!("\"origin\":\"{node}\"")), "{frame}");
    assert_eq!(lines(&home, "checkpoint_signed").len(), 1);
    // The next stop signs more, and the first note still holds.
    stop(&mut home.daemon());
    assert_eq!(notes(&home).len(), 2);
    home.ok(&["journal", "verify", "--checkpoint", arg(&note), "--key", key.trim()]);
}

#[test]
fn beside_a_daemon_all_it_has_acknowledged_is_signed() {
    let home = Home::new();
    let mut daemon = home.daemon();
    let head = home.json(&["status"])["journal_head"].clone();
    let file = home.root().join("out.note");
    home.ok(&["journal", "checkpoint", "-o", arg(&file)]);
    assert_eq!(text(&file).lines().nth(1), Some(head.to_string().as_str()));
    home.ok(&["journal", "verify", "--checkpoint", arg(&file)]);
    stop(&mut daemon);
    home.ok(&["journal", "verify", "--checkpoint", arg(&file)]);
}

#[test]
fn a_journal_that_was_cut_or_written_anew_is_seen() {
    let (home, note) = lived();
    let journal = home.root().join(".kairos/journal");
    let segment = journal.join("00000000000000000001.kj");
    let sound = fs::read(&segment).expect("a segment");
    let frames: Vec<_> = sound.split_inclusive(|byte| *byte == b'\n').collect();
    let last = frames[..frames.len() - 2].concat().len();
    let cut = |bytes: &mut [u8]| bytes[last..].fill(0);
    let verify = ["journal", "verify", "--checkpoint", arg(&note)];
    let size: usize = text(&note).lines().nth(1).expect("a size").parse().expect("a number");

    let mut bytes = sound.clone();
    cut(&mut bytes);
    fs::write(&segment, bytes).expect("written");
    assert!(home.ok(&["journal", "verify"]).starts_with("sound: "), "the chain holds without it");
    let output = home.kairos(&verify);
    let head = size - 1;
    let said = format!(
        "sound: {head} frames, head at {head}\n\
         checkpoint does not hold: {size} frames were signed, and the journal ends at {head}\n"
    );
    assert_eq!((output.status.code(), out(&output)), (Some(1), said));
    let output = home.kairos(&["journal", "checkpoint"]);
    assert_eq!(output.status.code(), Some(1), "nothing is signed over it");

    // Written anew: as long as it was, and the chain holds again.
    let (kept, away) = (home.root().join(".kairos/checkpoints"), home.root().join("away"));
    fs::remove_dir_all(&journal).expect("gone");
    fs::remove_file(home.root().join(".kairos/run/heartbeat.json")).expect("gone");
    fs::rename(&kept, &away).expect("moved");
    stop(&mut home.daemon());
    let note = away.join(note.file_name().expect("a name"));
    let output = home.kairos(&["journal", "verify", "--json", "--checkpoint", arg(&note)]);
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &verdict["ok"]), (Some(1), &json!(false)));
    let problem = format!("the first {size} frames are not those that were signed");
    assert_eq!(verdict["checkpoint"]["problem"], json!(problem));
    // A daemon that knows what was signed before signs nothing over it, and says so.
    fs::remove_dir_all(&kept).expect("gone");
    fs::rename(&away, &kept).expect("moved");
    stop(&mut home.daemon());
    let failed = &lines(&home, "checkpoint_failed")[0]["details"]["error"];
    let said = format!("the first {size} frames are not those that a checkpoint was signed over");
    assert_eq!(failed, &json!(said));
    assert_eq!(notes(&home).len(), 1);
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn a_note_that_is_not_the_keys_is_refused() {
    let (home, note) = lived();
    let other = Home::new();
    stop(&mut other.daemon());
    let other = notes(&other).pop().expect("a note");
    let forged = home.root().join("forged.note");
    fs::write(&forged, text(&note).replacen("\n3\n", "\n2\n", 1)).expect("written");
    for (file, said) in [(&other, "nobody signed with the key of"), (&forged, "does not hold")] {
        let output = home.kairos(&["journal", "verify", "--checkpoint", arg(file)]);
        assert_eq!(output.status.code(), Some(1));
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(err.contains(said), "{err}");
    }
    let output = home.kairos(&["journal", "verify", "--checkpoint", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_frame_is_proven_to_somebody_without_the_journal() {
    let (home, note) = lived();
    let key = home.read(".kairos/keys/checkpoint.pub");
    let away = tempfile::tempdir().expect("a directory");
    let (proof, frame) = (away.path().join("2.json"), away.path().join("2.kj"));
    fs::write(&proof, home.ok(&["journal", "prove", "2", "--checkpoint", arg(&note)])).unwrap();
    fs::write(&frame, home.ok(&["journal", "show", "2"])).unwrap();
    fs::copy(&note, away.path().join("a.note")).unwrap();
    let check = |more: &[&str]| {
        let mut command = Command::new(crate::home::KAIROS);
        command.current_dir(away.path()).env_clear();
        command.args(["journal", "prove", "--check", "2.json"]).args(more);
        command.output().expect("kairos starts")
    };
    let whole = ["--frame", "2.kj", "--checkpoint", "a.note", "--key", key.trim()];
    let size = text(&note).lines().nth(1).unwrap().to_owned();
    let output = check(&whole);
    assert_eq!(out(&output), format!("the frame is number 2 of the {size} that were signed\n"));
    let output = check(&[]);
    let said = "a frame with this leaf is number 2 of the";
    assert!(out(&output).starts_with(said), "{output:?}");
    // Another frame, and another place.
    fs::write(&frame, home.ok(&["journal", "show", "1"])).unwrap();
    assert_eq!(check(&whole).status.code(), Some(1));
    fs::write(&frame, home.ok(&["journal", "show", "2"])).unwrap();
    fs::write(&proof, text(&proof).replace("\"seq\":2", "\"seq\":1")).unwrap();
    assert_eq!(check(&whole).status.code(), Some(1));
    let missing = home.kairos(&["journal", "prove", "99", "--checkpoint", arg(&note)]);
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn a_key_that_is_missing_is_made_at_the_start_and_one_that_is_open_is_not_used() {
    let home = Home::new();
    stop(&mut home.daemon());
    fs::remove_dir_all(home.root().join(".kairos/keys")).unwrap();
    fs::remove_dir_all(home.root().join(".kairos/checkpoints")).unwrap();
    stop(&mut home.daemon());
    let node = home.read(".kairos/keys/checkpoint.pub");
    let frame = home.ok(&["journal", "show", "1"]);
    let node = node.strip_prefix("kairos/").unwrap().split('+').next().unwrap();
    assert!(frame.contains(node), "made for the journal that is there");
    assert_eq!(notes(&home).len(), 1);
    let key = home.root().join(".kairos/keys/checkpoint.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let mut daemon = home.daemon();
    let checkpoints = &home.json(&["status"])["checkpoints"];
    let problem = checkpoints["problem"].as_str().unwrap();
    assert!(problem.ends_with("checkpoint.key` can be read by others"), "{problem}");
    stop(&mut daemon);
    assert_eq!(notes(&home).len(), 1);
}

/// A server that answers with the code it was told last; the sizes in the notes it was sent.
fn server() -> (String, Sender<&'static str>, Receiver<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/add", listener.local_addr().expect("bound"));
    let (tell, told) = channel();
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        let mut code = "500";
        for stream in listener.incoming() {
            let stream = stream.expect("somebody comes");
            let mut reader = BufReader::new(&stream);
            let (mut line, mut length) = (String::new(), 0);
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).expect("a head");
                if let Some(bytes) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = bytes.trim().parse().expect("a number");
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let note = String::from_utf8(body).expect("text");
            code = told.try_iter().last().unwrap_or(code);
            let close = "content-length: 0\r\nconnection: close\r\n\r\n";
            write!(&stream, "HTTP/1.1 {code} X\r\n{close}").expect("it waits for it");
            let size = note.lines().nth(1).and_then(|size| size.parse().ok()).expect("a size");
            if sender.send(size).is_err() {
                return;
            }
        }
    });
    (url, tell, seen)
}

#[test]
fn a_witness_hears_of_each_head_once_and_of_failures_people_hear() {
    let (url, tell, seen) = server();
    let (home, note) = lived();
    let first: u64 = text(&note).lines().nth(1).unwrap().parse().unwrap();
    let config =
        format!("checkpoint:\n  publish:\n    - {{http: '{url}'}}\n    - {{file: w.note}}\n");
    home.write(".kairos/config/daemon.yml", &config);
    let mut running = None;
    let failed = logged(&home, "checkpoint_publish_failed", || running = Some(home.daemon()));
    let mut daemon = running.expect("it was started");
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [first; 3]);
    let details = json!({"witness": format!("http {url}"), "size": first, "attempts": 3,
        "error": "it answered 500"});
    assert_eq!((&failed["level"], &failed["details"]), (&json!("error"), &details));
    assert_eq!(home.read("w.note"), text(&note), "one witness does not hold up another");
    let shown = &home.json(&["status"])["checkpoints"];
    let rows = json!([
        {"witness": format!("http {url}"), "size": null, "problem": "it answered 500"},
        {"witness": "file w.note", "size": first, "problem": null},
    ]);
    assert_eq!((&shown["size"], &shown["witnesses"]), (&json!(first), &rows));
    // A reload offers it once more.
    tell.send("200").unwrap();
    let taken = logged(&home, "checkpoint_published", || signal(&daemon, Signal::HUP));
    assert_eq!(taken["details"]["size"], json!(first));
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [first]);
    stop(&mut daemon);
    let last = notes(&home).pop().unwrap();
    let last: u64 = text(&last).lines().nth(1).unwrap().parse().unwrap();
    assert!(last > first);
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [last]);
    // The next start has nothing new to tell, and its stop has.
    stop(&mut home.daemon());
    let sizes: Vec<_> = seen.try_iter().collect();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    assert!(sizes[0] > last);
}

/// The verifier that stands in `docs/`; nothing where there is no Python.
fn python(journal: &Path, more: &[&str]) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify_journal.py");
    let output = Command::new("python3").arg(script).arg(journal).args(more).output();
    match output {
        Ok(output) => Some(output),
        Err(error) => {
            writeln!(io::stderr(), "SKIPPED: python3 cannot be run: {error}").ok();
            None
        }
    }
}

#[test]
fn a_hundred_lines_of_python_come_to_the_same_verdict() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify_journal.py");
    assert!(text(&script).lines().count() <= 100);
    let (home, note) = lived();
    stop(&mut home.daemon());
    let (journal, key) =
        (home.root().join(".kairos/journal"), home.read(".kairos/keys/checkpoint.pub"));
    let signed = [arg(&note), key.trim()];
    let segment = journal.join("00000000000000000001.kj");
    let sound = fs::read(&segment).expect("a segment");
    let says = |bytes: &[u8], more: &[&str]| {
        fs::write(&segment, bytes).expect("written");
        let output = python(&journal, more)?;
        Some((
            output.status.code(),
            out(&output),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    };
    let Some((code, said, err)) = says(&sound, &signed) else { return };
    let newest = notes(&home).pop().expect("a note");
    let lines: Vec<_> = text(&newest).lines().map(str::to_owned).collect();
    let expected = format!("sound: {} frames, root {}\n", lines[1], lines[2]);
    assert_eq!((code, said, err.as_str()), (Some(0), expected, ""));

    let refuses = |bytes: &[u8], more: &[&str], word: &str| {
        let (code, _, err) = says(bytes, more).expect("python was there");
        assert_eq!(code, Some(1), "{err}");
        assert!(err.starts_with("not sound: ") && err.contains(word), "{word}: {err}");
    };
    // Some bits of every frame, those of the last acknowledged one among them.
    let frames: Vec<_> = sound.split_inclusive(|byte| *byte == b'\n').collect();
    let frames = &frames[..frames.len() - 1];
    let used = frames.concat().len();
    for at in (0..used).step_by(used / 12) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        refuses(&bytes, &[], "");
    }
    let mut bytes = sound.clone();
    bytes[used + 700] = b'x';
    refuses(&bytes, &[], "behind");
    refuses(&sound[..4096], &[], "segment head");
    let mut swapped: Vec<&[u8]> = frames.to_vec();
    swapped.swap(1, 2);
    let mut bytes = swapped.concat();
    bytes.resize(sound.len(), 0);
    refuses(&bytes, &[], "position");
    // Cut between frames: only the note tells.
    let mut bytes = frames[..2].concat();
    bytes.resize(sound.len(), 0);
    assert_eq!(says(&bytes, &[]).expect("python was there").0, Some(0));
    refuses(&bytes, &signed, "not those signed");
    // And only the right one.
    let forged = home.root().join("forged.note");
    fs::write(&forged, text(&note).replacen("\n3\n", "\n2\n", 1)).expect("written");
    refuses(&sound, &[arg(&forged), key.trim()], "signature");
    let other = Home::new();
    let key = other.read(".kairos/keys/checkpoint.pub");
    refuses(&sound, &[arg(&note), key.trim()], "signed by others");
}
