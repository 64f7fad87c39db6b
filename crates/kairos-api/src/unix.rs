//! The socket: who is there, and HTTP/1.1 over it.
//!
//! Owns the check of the peer's uid (`SO_PEERCRED`, `unix(7)`): the daemon's own user and root may
//! come in. Bounded: 256 connections, 30 s for a head. What cannot be accepted is tried again after
//! a pause and told once a minute. When the door closes, whatever has come is still answered, for half a
//! second at most: with `stopping`.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kairos_core::kind::Kind;
use kairos_core::principal::Principal;
use kairos_engine::SubmitError;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::door::{Door, Trouble};
use crate::problem::Refusal;
use crate::router::{BODY_BYTES_MAX, router};

/// Connections at the same time; the next one waits.
const CONNECTIONS_MAX: usize = 256;
/// Time for a request's head.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Time before a connection that could not be accepted is tried again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(75);
/// How often it is told that nobody can come in.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Time to answer what has come when the door closes.
const CLOSE_TIME: Duration = Duration::from_millis(500);
/// How long what was answered may still take to leave a quiet connection.
const LEAVE_TIME: Duration = Duration::from_millis(50);
/// How long nothing comes from a connection before a closed door ends it.
const QUIET_TIME: Duration = Duration::from_millis(20);

/// Serves `door` on `listener` until `closed` comes back.
pub async fn serve(listener: UnixListener, door: Door, closed: impl Future<Output = ()>) {
    let outage = Outage { door: door.clone(), told: Mutex::new(None) };
    let router = router(door);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (close, closing) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(closed);
    loop {
        let accepted = tokio::select! {
            () = &mut closed => break,
            accepted = accept(&listener, &places, &outage) => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let Some((stream, place)) = accepted else { continue };
        connections.spawn(connection(stream, place, router.clone(), closing.clone()));
    }
    close.send_replace(true);
    let rest = async {
        if let Ok(listener) = listener.into_std() {
            while let Ok(stream) = knocked(&listener)
                && let Ok(place) = Arc::clone(&places).acquire_owned().await
            {
                connections.spawn(connection(stream, place, router.clone(), closing.clone()));
            }
        }
        while connections.join_next().await.is_some() {}
    };
    tokio::time::timeout(CLOSE_TIME, rest).await.ok();
}

async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
    outage: &Outage,
) -> Option<(UnixStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            outage.goes_on(&error);
            // Whoever knocks still waits, so asking again at once would never end.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    }
}

/// Times in which nobody can come in, as when no descriptor is free. Told once a minute: now and then
/// one comes free for a moment, and the next is still outside.
struct Outage {
    door: Door,
    told: Mutex<Option<Instant>>,
}

impl Outage {
    fn goes_on(&self, error: &io::Error) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            *told = Some(Instant::now());
            self.door.tell(&Trouble::CannotAccept { error: error.to_string() });
        }
    }
}

/// Who waits before the door already; an error when nobody does. Asked of the system itself, for
/// what the runtime knows may be a moment old.
fn knocked(listener: &std::os::unix::net::UnixListener) -> io::Result<UnixStream> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

async fn connection(
    stream: UnixStream,
    _place: OwnedSemaphorePermit,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let (by, closed) = (peer(&stream), closing.clone());
    let visit = Arc::new(Visit { by, router, closed, steps: AtomicU64::new(0) });
    let visited = Arc::clone(&visit);
    let service = service_fn(move |request| {
        let visit = Arc::clone(&visited);
        async move { Ok::<_, Infallible>(visit.answer(request).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let closing = async move { closing.wait_for(|closing| *closing).await.map(drop) };
    tokio::select! {
        // How a connection ends is the client's business.
        _ = connection.as_mut() => return,
        _ = closing => {}
    }
    loop {
        let before = visit.steps();
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = tokio::time::sleep(QUIET_TIME) => {}
        }
        if visit.steps() == before && before.is_multiple_of(2) {
            break;
        }
    }
    connection.as_mut().graceful_shutdown();
    // Half a request, or answers that nobody reads, hold nobody up.
    tokio::time::timeout(LEAVE_TIME, connection).await.ok();
}

/// One connection, from the first request to the last.
struct Visit {
    by: Option<Principal>,
    router: Router,
    closed: watch::Receiver<bool>,
    /// Counts up when an answer is begun and when it is there: odd while one is being made.
    steps: AtomicU64,
}

impl Visit {
    fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response {
        self.steps.fetch_add(1, Ordering::Relaxed);
        let answer = match &self.by {
            None => {
                let detail = "this daemon is another user's";
                Refusal::new(Kind::Denied, "other_user", detail).into_response()
            }
            Some(_) if *self.closed.borrow() => stopping(request).await,
            Some(by) => {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(by.clone());
                tower_answer(self.router.clone(), request).await
            }
        };
        self.steps.fetch_add(1, Ordering::Relaxed);
        answer
    }
}

/// The answer of a closed door. The body is read all the same, so that the request behind it is
/// found.
async fn stopping(request: Request<Incoming>) -> Response {
    Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await.ok();
    Refusal::from(SubmitError::Stopping).into_response()
}

async fn tower_answer(mut router: Router, request: Request<Body>) -> Response {
    use tower_service::Service as _;
    // A router is always ready and never fails.
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Who is at the other end, if they may come in.
fn peer(stream: &UnixStream) -> Option<Principal> {
    let uid = stream.peer_cred().ok()?.uid();
    let own = rustix::process::geteuid().as_raw();
    (uid == own || uid == 0).then(|| principal(uid))
}

/// How a user is named in the journal: `user:NAME(uid)`.
#[must_use]
pub fn principal(uid: u32) -> Principal {
    let name = name(uid).unwrap_or_default();
    let text = format!("user:{name}({uid})");
    text.parse().or_else(|_| format!("user:({uid})").parse()).expect("a number names somebody")
}

/// A user's name from `passwd(5)`; other sources of names are not asked.
fn name(uid: u32) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
