//! HTTP over the socket.

use std::time::Duration;

use kairos_api::unix;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use crate::world::World;

#[tokio::test]
async fn who_decides_over_the_socket_is_the_peer_and_a_closed_door_ends_its_streams() {
    let world = World::edits("docs/a.md");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).expect("a socket");
    let (close, closed) = oneshot::channel::<()>();
    let serving = tokio::spawn(unix::serve(listener, world.door(), async {
        closed.await.ok();
    }));

    let mut create = UnixStream::connect(&path).await.expect("a connection");
    let body = r#"{"goal": "fix it"}"#;
    let head = "POST /v1/mandates HTTP/1.1\r\nHost: kairos\r\nConnection: close\r\n";
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    create.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    create.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let created = world.until("mandate_created").await;
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(created["origin"]["command"]["by"], unix::principal(uid).as_str());

    let mut stream = UnixStream::connect(&path).await.expect("a connection");
    let follow = "GET /v1/events?from=1 HTTP/1.1\r\nHost: kairos\r\n\r\n";
    stream.write_all(follow.as_bytes()).await.expect("sent");
    let mut first = [0; 1024];
    assert!(stream.read(&mut first).await.expect("records") > 0);
    close.send(()).expect("still serving");
    let ended = tokio::time::timeout(Duration::from_secs(10), serving).await;
    ended.expect("in time").expect("no panic");
}

#[tokio::test]
async fn what_was_sent_before_the_door_closed_is_answered_to_the_last() {
    const SENT: usize = 50;
    let world = World::edits("docs/a.md");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).expect("a socket");
    // Nobody has been let in when the door closes.
    let mut sent = UnixStream::connect(&path).await.expect("a connection");
    let request = "POST /v1/mandates HTTP/1.1\r\nHost: kairos\r\nContent-Length: 2\r\n\r\n{}";
    sent.write_all(request.repeat(SENT).as_bytes()).await.expect("sent");
    unix::serve(listener, world.door(), std::future::ready(())).await;
    let mut answers = String::new();
    sent.read_to_string(&mut answers).await.expect("answers");
    let answered = |status| answers.matches(&format!("HTTP/1.1 {status}")).count();
    // Let in before it is seen to be closed, the first may be told what is wrong with it.
    assert_eq!(answered("503 ") + answered("400 "), SENT, "{answers}");
}
