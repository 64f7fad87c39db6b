//! 20,000 commands on their way at once, and a stop among them.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Instant;

use crate::home::Home;
use crate::lifecycle::{Line, busy, created, goal, request, signal};
use rustix::process::Signal;

/// More than are let in at once, so that some still wait before the door when it closes.
const CONNECTIONS: usize = 400;
const EACH: usize = 50;

/// What became of the commands of one connection.
#[derive(Debug, Default)]
struct Told {
    accepted: Vec<String>,
    full: usize,
    stopping: usize,
    unanswered: usize,
}

/// Sends all of a connection's commands at once and reads what is answered, in order.
fn offer(home: &Home, accept: &mpsc::Sender<()>) -> Told {
    let requests: Vec<_> = (0..EACH).map(|n| request("/v1/mandates", &goal(n))).collect();
    let mut line = Line::open(home);
    line.send(&requests.concat());
    let mut told = Told::default();
    for n in 0..EACH {
        let Some((status, body)) = line.answer() else {
            told.unanswered = EACH - n;
            break;
        };
        match (status, body["code"].as_str()) {
            (200, _) => {
                assert_eq!(body["mandate"]["goal"], goal(n)["goal"], "answers are in order");
                told.accepted.push(body["mandate_id"].as_str().expect("an id").to_owned());
                accept.send(()).ok();
            }
            (503, Some("queue_full")) => told.full += 1,
            (503, Some("stopping")) => told.stopping += 1,
            _ => panic!("{status}: {body}"),
        }
    }
    told
}

#[test]
fn every_command_of_a_crowd_is_on_disk_or_refused_when_the_daemon_stops() {
    let (home, _model) = busy();
    let mut daemon = home.daemon();
    let (accept, accepted) = mpsc::channel();
    let began = Instant::now();
    let (told, stopped) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (home, accept) = (&home, accept.clone());
                scope.spawn(move || offer(home, &accept))
            })
            .collect();
        drop(accept);
        // In the middle of it.
        assert_eq!(accepted.iter().take(2_000).count(), 2_000);
        eprintln!("2,000 accepted after {} ms", began.elapsed().as_millis());
        let told = Instant::now();
        signal(&daemon, Signal::TERM);
        assert_eq!(daemon.0.wait().expect("it is our child").code(), Some(0));
        let stopped = told.elapsed();
        let threads = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        (threads.collect::<Vec<Told>>(), stopped)
    });
    let sum = |of: fn(&Told) -> usize| told.iter().map(of).sum::<usize>();
    let (full, stopping) = (sum(|told| told.full), sum(|told| told.stopping));
    let unanswered = sum(|told| told.unanswered);
    let accepted: BTreeSet<_> = told.iter().flat_map(|told| told.accepted.clone()).collect();
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
    let durable = created(&home.events());
    eprintln!(
        "accepted {}, durable {}, refused with the queue full {full}, with the stop {stopping}, \
         not answered {unanswered}; stopped after {} ms",
        accepted.len(),
        durable.len(),
        stopped.as_millis()
    );
    assert_eq!(accepted.len() + full + stopping + unanswered, CONNECTIONS * EACH);
    let lost: Vec<_> = accepted.difference(&durable).collect();
    assert_eq!(lost, [""; 0]);
    // A refused command is not on disk; one whose answer never came may be.
    assert!(durable.len() - accepted.len() <= unanswered, "{} durable", durable.len());
}
