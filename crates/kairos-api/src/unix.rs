//! The socket: who is there, and HTTP/1.1 over it.
//!
//! Owns the check of the peer's uid (`SO_PEERCRED`, `unix(7)`): the daemon's own user and root may
//! come in. Bounded: 256 connections, 30 s for a head. What cannot be accepted is tried again after
//! a pause and told once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kairos_core::kind::Kind;
use kairos_core::principal::Principal;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::door::{Door, Trouble};
use crate::problem::Refusal;
use crate::router::router;

/// Connections at the same time; the next one waits.
const CONNECTIONS_MAX: usize = 256;
/// Time for a request's head.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Time before a connection that could not be accepted is tried again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(75);
/// Time open connections have to end after the door closes.
const CLOSE_TIME: Duration = Duration::from_millis(500);

/// Serves `door` on `listener` until `closed` comes back.
pub async fn serve(listener: UnixListener, door: Door, closed: impl Future<Output = ()>) {
    let outage = Outage { door: door.clone(), told: AtomicBool::new(false) };
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
        let (router, closing) = (router.clone(), closing.clone());
        connections.spawn(async move {
            connection(stream, router, closing).await;
            drop(place);
        });
    }
    drop(listener);
    close.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    tokio::time::timeout(CLOSE_TIME, all_ended).await.ok();
}

async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
    outage: &Outage,
) -> Option<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            outage.over();
            Some((stream, place))
        }
        Err(error) => {
            outage.goes_on(&error);
            // Whoever knocks still waits, so asking again at once would never end.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    }
}

/// A time in which nobody can come in, as when no descriptor is free.
struct Outage {
    door: Door,
    told: AtomicBool,
}

impl Outage {
    fn goes_on(&self, error: &std::io::Error) {
        if !self.told.swap(true, Ordering::Relaxed) {
            self.door.tell(&Trouble::CannotAccept { error: error.to_string() });
        }
    }

    fn over(&self) {
        self.told.store(false, Ordering::Relaxed);
    }
}

async fn connection(stream: UnixStream, router: Router, mut closing: watch::Receiver<bool>) {
    let by = peer(&stream);
    let service = service_fn(move |request| answer(router.clone(), by.clone(), request));
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
    connection.as_mut().graceful_shutdown();
    connection.await.ok();
}

async fn answer(
    router: Router,
    by: Option<Principal>,
    request: Request<Incoming>,
) -> Result<Response, std::convert::Infallible> {
    let Some(by) = by else {
        let refusal = Refusal::new(Kind::Denied, "other_user", "this daemon is another user's");
        return Ok(refusal.into_response());
    };
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(by);
    Ok(tower_answer(router, request).await)
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
