//! Calls over HTTP, against a server on the loopback.

#[expect(dead_code, reason = "only the file tests look at the workspace")]
mod common;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::World;
use kairos_core::budget::Usage;
use kairos_core::cycle::answer::Answer;
use kairos_core::cycle::retry::CallFailure;
use kairos_core::effect::{Attempt, Outcome, Reply};
use kairos_core::gate::risk::Risk;
use kairos_effects::cancel;
use kairos_effects::model::{Client, Model, ModelOptions, Notice, Wire};
use kairos_effects::secret::Secret;

const KEY: &str = "sk-very-secret";

const ANSWER: &str = r#"{"choices":[{"message":{"content":"{\"summary\":\"s\",\"priorities\":[],\"risk_level\":\"low\"}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":30}}}"#;

/// What the server does with one connection after reading its request.
enum Does {
    Says(String),
    /// Says this and closes, and nothing else.
    Cuts(String),
    /// Holds the connection until the test is over.
    Waits,
}

fn response(status: &str, headers: &str, body: &str) -> Does {
    let length = body.len();
    Does::Says(format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    ))
}

struct Server {
    base_url: String,
    requests: mpsc::Receiver<String>,
}

fn serve(script: Vec<Does>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        let mut held = Vec::new();
        for does in script {
            let (mut stream, _) = listener.accept().expect("a connection");
            let request = read_request(&mut stream);
            drop(sender.send(request));
            match does {
                Does::Says(text) | Does::Cuts(text) => {
                    stream.write_all(text.as_bytes()).expect("a client that reads");
                }
                Does::Waits => held.push(stream),
            }
        }
        // Held until the client goes.
        for mut stream in held {
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest));
        }
    });
    Server { base_url: format!("http://{address}/v1"), requests }
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).expect("a client that writes");
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
                })
                .unwrap_or(0usize);
            if body.len() >= length {
                return text.into_owned();
            }
        }
        assert!(read > 0, "a request was cut");
    }
}

/// A world whose next permit asks for an orientation, and a client of `server`.
fn asking(server: &Server, timeout: Duration) -> (World, Model) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut world = World::new(&[("a.md", "text of a")]);
    world.mandate("look at a.md", &[], vec![]);
    world.observe();
    let options = ModelOptions {
        wire: Wire::OpenAi,
        base_url: server.base_url.clone(),
        api_key: Some(Secret::new(KEY)),
        timeout,
    };
    let client = Client::new(options, world.texts.clone(), world.notify()).expect("good options");
    (world, Model::Http(Box::new(client)))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("one")
}

const PATIENT: Duration = Duration::from_secs(20);

fn attempt(outcome: Outcome) -> Attempt {
    match outcome {
        Outcome::Asked(attempt) => attempt,
        other => panic!("{other:?}"),
    }
}

/// Performs the next call and answers the attempt.
fn ask(world: &mut World, model: &Model) -> Attempt {
    let permit = world.permit();
    let settled = runtime().block_on(model.perform(permit, cancel::pair().1));
    attempt(world.settle(settled))
}

/// One call to a server that does this.
fn once(does: Does) -> (Attempt, Vec<Notice>) {
    let server = serve(vec![does]);
    let (mut world, model) = asking(&server, PATIENT);
    let attempt = ask(&mut world, &model);
    let notices = world.notices.lock().expect("no panic").clone();
    (attempt, notices)
}

fn failure(does: Does) -> CallFailure {
    match once(does).0.reply {
        Reply::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_is_read_and_both_sides_are_stored() {
    let server = serve(vec![response("200 OK", "", ANSWER)]);
    let (mut world, model) = asking(&server, PATIENT);
    let attempt = ask(&mut world, &model);
    let Reply::Answered { answer, text } = attempt.reply else { panic!("{attempt:?}") };
    assert_eq!(answer, Answer::Orient { risk: Risk::Low });
    assert_eq!(world.text(text), r#"{"summary":"s","priorities":[],"risk_level":"low"}"#);
    let usage = Usage { input: 70, output: 7, cache_read: 30, cache_write: 0 };
    assert_eq!(attempt.usage, Some(usage));
    let sent = server.requests.recv().expect("a request");
    let stored = world.text(attempt.request.expect("stored"));
    let (head, body) = sent.split_once("\r\n\r\n").expect("a head");
    assert_eq!(stored, body);
    assert!(!stored.contains(KEY));
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("authorization: Bearer {KEY}")), "{head}");
    assert!(body.contains("# Phase: orient") && body.contains("text of a"), "{body}");
}

#[test]
fn a_status_is_told_with_the_wait_it_asks_for() {
    let status = |code, retry_after_ms| CallFailure::Status { code, retry_after_ms };
    let says = |line: &str, headers: &str| failure(response(line, headers, "{}"));
    assert_eq!(says("429 Too Many Requests", "retry-after: 7\r\n"), status(429, Some(7_000)));
    assert_eq!(says("529 Overloaded", ""), status(529, None));
    assert_eq!(says("500 Internal Server Error", ""), status(500, None));
    let date = "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    assert_eq!(says("503 Service Unavailable", date), status(503, Some(0)));
}

#[test]
fn what_a_provider_says_reaches_the_operator_without_the_key() {
    let body = format!("{{\"error\":\"bad key {KEY}\"}}");
    let (_, notices) = once(response("401 Unauthorized", "", &body));
    let message = "{\"error\":\"bad key [secret]\"}".to_owned();
    assert_eq!(notices, [Notice::Said { status: 401, message }]);
    let server = serve(vec![response("401 Unauthorized", "", &body)]);
    let (mut world, model) = asking(&server, PATIENT);
    let said = ask(&mut world, &model).said.expect("it is kept with the outcome");
    assert_eq!(world.text(said), "bad key [secret]");
}

#[test]
fn a_redirect_is_not_followed() {
    let target = serve(vec![response("200 OK", "", ANSWER)]);
    let headers = format!("location: {}/elsewhere\r\n", target.base_url);
    let failed = failure(response("307 Temporary Redirect", &headers, ""));
    assert_eq!(failed, CallFailure::Status { code: 307, retry_after_ms: None });
    assert!(target.requests.try_recv().is_err());
}

#[test]
fn a_broken_answer_is_cut_and_no_answer_is_transport() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"choices\"".to_owned();
    assert_eq!(failure(Does::Cuts(cut)), CallFailure::Cut);
    let (attempt, _) = once(Does::Cuts(String::new()));
    let transport = Reply::Failed(CallFailure::Transport);
    assert_eq!((attempt.usage, attempt.reply), (None, transport));
}

#[test]
fn a_refused_connection_sent_nothing_and_books_nothing() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = port.local_addr().expect("bound");
    drop(port);
    let (_, requests) = mpsc::channel();
    let server = Server { base_url: format!("http://{address}/v1"), requests };
    let (mut world, model) = asking(&server, PATIENT);
    let attempt = ask(&mut world, &model);
    let transport = Reply::Failed(CallFailure::Transport);
    assert_eq!((attempt.usage, attempt.reply), (Some(Usage::default()), transport));
}

#[test]
fn a_200_in_another_form_is_unreadable() {
    assert_eq!(failure(response("200 OK", "", "<html>")), CallFailure::Unreadable);
}

#[test]
fn a_slow_provider_times_out() {
    let server = serve(vec![Does::Waits]);
    let (mut world, model) = asking(&server, Duration::from_millis(200));
    assert_eq!(ask(&mut world, &model).reply, Reply::Failed(CallFailure::Timeout));
}

#[test]
fn a_cancelled_call_ends_within_a_second() {
    let server = serve(vec![Does::Waits]);
    let (mut world, model) = asking(&server, PATIENT);
    let permit = world.permit();
    let (cancel, token) = cancel::pair();
    let (settled, took) = runtime().block_on(async move {
        let performing = tokio::spawn(async move { model.perform(permit, token).await });
        // The request is there, so the call waits for its answer.
        let server = tokio::task::spawn_blocking(move || server.requests.recv().map(|_| server));
        let _server = server.await.expect("no panic").expect("a request");
        let begun = Instant::now();
        cancel.cancel();
        (performing.await.expect("no panic"), begun.elapsed())
    });
    let attempt = attempt(world.settle(settled));
    assert_eq!((attempt.reply, attempt.usage), (Reply::Cancelled, None));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_call_cancelled_before_it_begins_sends_nothing() {
    let server = serve(vec![response("200 OK", "", ANSWER)]);
    let (mut world, model) = asking(&server, PATIENT);
    let (cancel, token) = cancel::pair();
    cancel.cancel();
    let permit = world.permit();
    let settled = runtime().block_on(model.perform(permit, token));
    assert_eq!(attempt(world.settle(settled)).reply, Reply::Cancelled);
    assert!(server.requests.try_recv().is_err());
}

#[test]
fn a_400_that_names_the_schema_is_asked_again_in_words_and_remembered() {
    let unknown = || {
        let body = r#"{"error":{"message":"unknown field response_format"}}"#;
        response("400 Bad Request", "", body)
    };
    let server = serve(vec![unknown(), response("200 OK", "", ANSWER), unknown()]);
    let (mut world, model) = asking(&server, PATIENT);
    assert_eq!(ask(&mut world, &model).reply, Reply::Cancelled);
    assert!(matches!(ask(&mut world, &model).reply, Reply::Answered { .. }));
    // Decide, in the same form at once; that it is named again is a failure now.
    let failed = Reply::Failed(CallFailure::Status { code: 400, retry_after_ms: None });
    assert_eq!(ask(&mut world, &model).reply, failed);
    let schemas: Vec<bool> = server.requests.iter().map(|r| r.contains("json_schema")).collect();
    assert_eq!(schemas, [true, false, false]);
    let fell_back = Notice::FellBack { model: "model-1".into(), field: "response_format" };
    assert_eq!(world.notices.lock().expect("no panic").first(), Some(&fell_back));
}

#[test]
fn options_that_can_never_work_are_refused_at_once() {
    let server = serve(vec![]);
    let (world, _) = asking(&server, PATIENT);
    for (base_url, key) in [("ftp://x", "k"), ("not a url", "k"), ("http://x", "a\u{1}b")] {
        let options = ModelOptions {
            wire: Wire::Anthropic,
            base_url: base_url.into(),
            api_key: Some(Secret::new(key)),
            timeout: PATIENT,
        };
        assert!(!format!("{options:?}").contains(key) || key == "k");
        let made = Client::new(options, world.texts.clone(), world.notify());
        assert!(made.is_err(), "{base_url}");
    }
}
