//! Real witnesses: a file, a bare repository, a server on this machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use kairos_journal::checkpoint::Signed;
use kairos_journal::note::{Checkpoint, Signer};
use kairos_journal::tree::Hash;

use super::*;

const ORIGIN: &str = "kairos/01JV0000000000000000000007";

/// A workspace to publish from.
struct World {
    dir: tempfile::TempDir,
    published: Published,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["run", "checkpoints"] {
            fs::create_dir_all(dir.path().join(".kairos").join(name)).expect("it is empty");
        }
        let published = Published::read(&dir.path().join(".kairos/checkpoints"));
        Self { dir, published }
    }

    /// Publishes without waiting; how long it would have waited, and what came of it.
    fn publish(&self, witness: &Witness, size: u64) -> (Vec<u64>, Outcome) {
        let mut waits = Vec::new();
        let mut pause = |time: Duration| {
            waits.push(time.as_secs());
            true
        };
        let signed = signed(size);
        let outcome = publish(witness, self.dir.path(), &signed, &self.published, &mut pause);
        (waits, outcome)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).expect("it is there")
    }
}

fn signed(size: u64) -> Signed {
    let signer = Signer::new(ORIGIN, [5; 32]).expect("a name");
    let note = signer.sign(size, Hash::of_leaf(&size.to_be_bytes()));
    let checkpoint = Checkpoint::read(note.text()).expect("a checkpoint");
    Signed { note, checkpoint }
}

/// A server that answers with these codes, one for each request, then goes away; the requests' heads
/// and bodies.
fn server(codes: &'static [&'static str]) -> (Witness, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/add?key=abc", listener.local_addr().expect("bound"));
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for code in codes {
            let (stream, _) = listener.accept().expect("somebody comes");
            let mut reader = BufReader::new(&stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a head");
                if line == "\r\n" {
                    break;
                }
                if let Some(bytes) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = bytes.trim().parse().expect("a number");
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            sender.send((head, String::from_utf8(body).expect("text"))).expect("the test listens");
            let close = "content-length: 0\r\nconnection: close\r\nlocation: /elsewhere\r\n\r\n";
            write!(&stream, "HTTP/1.1 {code} X\r\n{close}").expect("it waits for it");
        }
    });
    (Witness::Http { url: reqwest::Url::parse(&url).expect("a URL") }, requests)
}

fn http() {
    // A second call finds it installed, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
}

#[test]
fn a_server_that_fails_twice_has_it_in_the_end_and_is_asked_no_more() {
    http();
    let world = World::new();
    let (witness, requests) = server(&["500", "503", "200"]);
    assert_eq!(world.publish(&witness, 7), (vec![1, 5], Outcome::Taken));
    let seen: Vec<_> = requests.iter().collect();
    assert_eq!(seen.len(), 3);
    for (head, body) in seen {
        assert!(head.starts_with("POST /add?key=abc HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: text/plain; charset=utf-8\r\n"), "{head}");
        assert_eq!(body, signed(7).note.to_string());
    }
    // The same head: nobody is there to answer, and nobody is asked.
    assert_eq!(world.publish(&witness, 7), (vec![], Outcome::Known));
    // Nor by the next process.
    let next = Published::read(&world.dir.path().join(".kairos/checkpoints"));
    let world = World { published: next, ..world };
    assert_eq!(world.publish(&witness, 7), (vec![], Outcome::Known));
    assert_eq!(world.published.size(&witness), Some(7));
}

#[test]
fn a_server_that_fails_three_times_is_an_alert_and_is_asked_again_for_the_next_head() {
    http();
    let world = World::new();
    let (witness, requests) = server(&["500", "500", "404", "202"]);
    let failed = Outcome::Failed { attempts: 3, said: "it answered 404".into() };
    assert_eq!(world.publish(&witness, 7), (vec![1, 5], failed));
    assert_eq!(world.published.size(&witness), None);
    assert_eq!(world.publish(&witness, 8), (vec![], Outcome::Taken));
    assert_eq!(requests.iter().count(), 4);
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    http();
    let world = World::new();
    let (witness, requests) = server(&["307", "302", "301"]);
    let failed = Outcome::Failed { attempts: 3, said: "it answered 301".into() };
    assert_eq!(world.publish(&witness, 7).1, failed);
    let paths: Vec<_> = requests.iter().map(|(head, _)| head.contains("/add")).collect();
    assert_eq!(paths, [true; 3]);
}

#[test]
fn a_server_that_is_not_there_is_told_without_what_is_secret_in_its_url() {
    http();
    let world = World::new();
    let (witness, requests) = server(&[]);
    // It has gone away once nobody can send any more.
    assert_eq!(requests.iter().count(), 0);
    let (_, outcome) = world.publish(&witness, 7);
    let Outcome::Failed { attempts: 3, said } = outcome else { panic!("{outcome:?}") };
    assert!(said.starts_with("it cannot be reached: ") && !said.contains("abc"), "{said}");
}

#[test]
fn the_end_leaves_it_at_one_attempt() {
    http();
    let world = World::new();
    let (witness, _requests) = server(&["500"]);
    let outcome = publish(&witness, world.dir.path(), &signed(7), &world.published, &mut |_| false);
    assert_eq!(outcome, Outcome::Failed { attempts: 1, said: "it answered 500".into() });
}

#[test]
fn a_file_is_replaced_whole() {
    let world = World::new();
    let witness = Witness::File { path: "out.note".into() };
    for size in [7, 8] {
        assert_eq!(world.publish(&witness, size), (vec![], Outcome::Taken));
        assert_eq!(world.read("out.note"), signed(size).note.to_string());
    }
    assert_eq!(world.publish(&witness, 8), (vec![], Outcome::Known));
    let names = fs::read_dir(world.dir.path()).unwrap();
    assert_eq!(names.count(), 2, "`.kairos` and the note, and nothing left over");
    let nowhere = Witness::File { path: "absent/out.note".into() };
    assert!(matches!(world.publish(&nowhere, 8).1, Outcome::Failed { attempts: 3, .. }));
}

/// Runs git for the test itself.
fn git(world: &World, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(world.dir.path()).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.output().ok()?;
    let text = |bytes| String::from_utf8(bytes).expect("text");
    assert!(output.status.success(), "git {arguments:?}: {}", text(output.stderr));
    Some(text(output.stdout))
}

/// A world with a bare repository in it; nothing where there is no git.
fn with_remote() -> Option<(World, Witness)> {
    let world = World::new();
    if git(&world, &["init", "--quiet", "--bare", "remote.git"]).is_none() {
        writeln!(std::io::stderr(), "SKIPPED: there is no git here").ok();
        return None;
    }
    let remote = world.dir.path().join("remote.git").display().to_string();
    Some((world, Witness::Git { remote, branch: "audit/notes".into() }))
}

#[test]
fn a_branch_gets_one_commit_for_each_checkpoint() {
    let Some((world, witness)) = with_remote() else { return };
    for size in [7, 8, 12] {
        assert_eq!(world.publish(&witness, size), (vec![], Outcome::Taken));
        assert_eq!(world.publish(&witness, size), (vec![], Outcome::Known));
    }
    let remote = |arguments: &[&str]| {
        git(&world, &[&["--git-dir", "remote.git"], arguments].concat()).expect("git is here")
    };
    assert_eq!(
        remote(&["log", "--format=%s", "audit/notes"]).lines().collect::<Vec<_>>(),
        [12, 8, 7].map(|size| format!("{ORIGIN}: checkpoint over {size} frames"))
    );
    let paths = [7, 8, 12].map(|size| format!("{ORIGIN}/{size:020}.note"));
    let listed = remote(&["ls-tree", "-r", "--name-only", "audit/notes"]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), paths);
    let note = remote(&["show", &format!("audit/notes:{}", paths[1])]);
    assert_eq!(note, signed(8).note.to_string());
    // Forgotten that it was published, it is still not committed twice.
    fs::remove_file(world.dir.path().join(".kairos/checkpoints/published.json")).unwrap();
    let forgotten = Published::read(&world.dir.path().join(".kairos/checkpoints"));
    let world = World { published: forgotten, ..world };
    assert_eq!(world.publish(&witness, 8), (vec![], Outcome::Taken));
    let commits = git(&world, &["--git-dir", "remote.git", "rev-list", "--count", "audit/notes"]);
    assert_eq!(commits.as_deref(), Some("3\n"));
    assert_eq!(fs::read_dir(world.dir.path().join(".kairos/run")).unwrap().count(), 0);
}

#[test]
fn another_note_of_the_same_size_is_an_alert_and_replaces_nothing() {
    let Some((world, witness)) = with_remote() else { return };
    assert_eq!(world.publish(&witness, 7).1, Outcome::Taken);
    let key = Signer::new(ORIGIN, [5; 32]).unwrap();
    let note = key.sign(7, Hash::of_leaf(b"another history"));
    let checkpoint = Checkpoint::read(note.text()).unwrap();
    let two = Signed { note, checkpoint };
    let mut pause = |_| panic!("what it holds stays what it is");
    let outcome = publish(&witness, world.dir.path(), &two, &world.published, &mut pause);
    let Outcome::Failed { attempts: 1, said } = outcome else { panic!("{outcome:?}") };
    let path = format!("{ORIGIN}/{:020}.note", 7);
    assert!(said.starts_with(&format!("it holds another `{path}`: ")), "{said}");
    let shown = ["--git-dir", "remote.git", "show", &format!("audit/notes:{path}")];
    assert_eq!(git(&world, &shown), Some(signed(7).note.to_string()));
    // A later one is taken.
    assert_eq!(world.publish(&witness, 8).1, Outcome::Taken);
}

#[test]
fn two_journals_share_a_branch() {
    let Some((world, witness)) = with_remote() else { return };
    assert_eq!(world.publish(&witness, 7).1, Outcome::Taken);
    let other = Signer::new("kairos/other", [6; 32]).unwrap();
    let note = other.sign(3, Hash::of_nothing());
    let checkpoint = Checkpoint::read(note.text()).unwrap();
    let outcome = publish(
        &witness,
        world.dir.path(),
        &Signed { note, checkpoint },
        &world.published,
        &mut |_| true,
    );
    assert_eq!(outcome, Outcome::Taken);
    let listed = ["--git-dir", "remote.git", "ls-tree", "-r", "--name-only", "audit/notes"];
    let expected = format!("{ORIGIN}/{:020}.note\nkairos/other/{:020}.note\n", 7, 3);
    assert_eq!(git(&world, &listed), Some(expected));
}

#[test]
fn a_remote_that_refuses_is_told_in_its_words() {
    let Some((world, witness)) = with_remote() else { return };
    let hook = world.dir.path().join("remote.git/hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho not today >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let (_, outcome) = world.publish(&witness, 7);
    let Outcome::Failed { attempts: 3, said } = outcome else { panic!("{outcome:?}") };
    assert!(said.starts_with("`git push`: "), "{said}");
    let nowhere = Witness::Git { remote: "/nonexistent/a.git".into(), branch: "b".into() };
    let (_, outcome) = world.publish(&nowhere, 7);
    let Outcome::Failed { attempts: 3, said } = outcome else { panic!("{outcome:?}") };
    assert!(said.starts_with("`git ls-remote`: "), "{said}");
}
