//! A small client of the daemon's socket.
//!
//! Owns connecting, one request with its answer, and following the event stream. Never retries,
//! never decides what an error means to a person. The command line and tests reach the daemon
//! through it; each request has its own connection, because a Unix socket's costs next to nothing.

mod sse;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

pub use sse::{EventStream, Message};

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a connection may take; the daemon accepts at once or is stuck.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take: longer than the daemon's own limits on reads and submissions.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// `sun_path` holds 108 bytes, one of them the closing NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Why the daemon did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No socket, or nobody behind it.
    #[error("no daemon answers at `{}`", socket.display())]
    NoDaemon { socket: PathBuf, source: io::Error },
    /// It answered with an error; the body is RFC 9457 where the daemon itself wrote it.
    #[error("the daemon answered {status}")]
    Problem { status: u16, body: Vec<u8> },
    /// The connection ended, or time ran out, before the answer was whole. What was asked may
    /// have happened.
    #[error("the daemon's answer was cut off: {what}")]
    Cut { what: String },
    /// The answer is not of the shape this client knows.
    #[error("the daemon's answer to `{path}` cannot be read")]
    Unreadable { path: String, source: serde_json::Error },
    /// What was to be sent cannot be written as a request.
    #[error("cannot write the request for `{path}`")]
    Request { path: String, source: hyper::http::Error },
}

/// What a request carries beside its body.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// `If-Match`: the hash a decision is about.
    pub if_match: Option<String>,
    /// `Idempotency-Key`: the same key and request make the same mandate.
    pub idempotency_key: Option<String>,
}

/// Asks the daemon behind one socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon that listens at `socket`; nothing is connected yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, Bytes::new(), &Conditions::default()).await
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// As [`ClientError`] says. After [`ClientError::Cut`] the change may have been made.
    pub async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        conditions: &Conditions,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body)
            .map_err(|source| ClientError::Unreadable { path: path.to_owned(), source })?;
        self.ask(Method::POST, path, body.into(), conditions).await
    }

    /// Follows events from position `from` on (inclusive; `None` = only what comes from now on),
    /// history first, without a gap.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn events(&self, from: Option<u64>) -> Result<EventStream, ClientError> {
        let path = match from {
            Some(from) => format!("/v1/events?from={from}"),
            None => "/v1/events".to_owned(),
        };
        let request = Request::get(&path)
            .header(HOST, "kairos")
            .header(ACCEPT, "text/event-stream")
            .body(Full::default())
            .map_err(|source| ClientError::Request { path: path.clone(), source })?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::OK {
            return Err(problem(response).await?);
        }
        Ok(EventStream::new(response.into_body()))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        conditions: &Conditions,
    ) -> Result<T, ClientError> {
        let request = request(method, path, body, conditions)
            .map_err(|source| ClientError::Request { path: path.to_owned(), source })?;
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(problem(response).await?);
        }
        let body = whole(response).await?;
        serde_json::from_slice(&body)
            .map_err(|source| ClientError::Unreadable { path: path.to_owned(), source })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let stream = timeout(CONNECT_TIMEOUT, connect(&self.socket))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| ClientError::NoDaemon { socket: self.socket.clone(), source })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| cut(&error))?;
        // Ends by itself when the answer's body is dropped.
        tokio::spawn(connection);
        timeout(ANSWER_TIMEOUT, sender.send_request(request))
            .await
            .map_err(|_| late())?
            .map_err(|error| cut(&error))
    }
}

/// Connects to `socket`; through its directory's descriptor when the path does not fit an address.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;

    if socket.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX {
        return UnixStream::connect(socket).await;
    }
    let (Some(dir), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let dir = std::fs::File::open(dir)?;
    let short = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
    UnixStream::connect(short).await
}

fn request(
    method: Method,
    path: &str,
    body: Bytes,
    conditions: &Conditions,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "kairos")
        .header(ACCEPT, "application/json");
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some(hash) = &conditions.if_match {
        request = request.header(hyper::header::IF_MATCH, format!("\"{hash}\""));
    }
    if let Some(key) = &conditions.idempotency_key {
        request = request.header(HeaderName::from_static("idempotency-key"), key);
    }
    request.body(Full::new(body))
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
    let body = timeout(ANSWER_TIMEOUT, body).await.map_err(|_| late())?;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| ClientError::Cut { what: error.to_string() })
}

async fn problem(response: Response<Incoming>) -> Result<ClientError, ClientError> {
    let status = response.status().as_u16();
    let body = whole(response).await?.to_vec();
    Ok(ClientError::Problem { status, body })
}

fn cut(error: &hyper::Error) -> ClientError {
    ClientError::Cut { what: error.to_string() }
}

fn late() -> ClientError {
    ClientError::Cut { what: format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()) }
}
