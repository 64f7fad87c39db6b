//! Reading a stream of server-sent events.
//!
//! Owns the text format: lines into fields, fields into messages. Never reconnects; who follows
//! knows from which position to ask again. Below [`Client::events`](super::Client::events).

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::ClientError;

/// The longest line that is read. A frame of the journal is shorter.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One message of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The position, where the message has one.
    pub id: Option<u64>,
    /// The event's name; empty for the plain record.
    pub event: String,
    pub data: String,
}

/// Turns bytes into messages, however they were cut on the way.
#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
    /// How far `bytes` was searched for the end of a line.
    searched: usize,
    open: Message,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if its closing empty line has come.
    fn next(&mut self) -> Option<Message> {
        while let Some(end) = self.bytes[self.searched..].iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=self.searched + end).collect();
            self.searched = 0;
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
            if !line.is_empty() {
                self.field(&line);
            } else if self.open.data.is_empty() {
                // A message without text is none: only the keep-alive's empty lines get here.
                self.open = Message::default();
            } else {
                return Some(std::mem::take(&mut self.open));
            }
        }
        self.searched = self.bytes.len();
        None
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.open.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.open.event),
            "data" => {
                if !self.open.data.is_empty() {
                    self.open.data.push('\n');
                }
                self.open.data.push_str(value);
            }
            // Comments and fields of later versions.
            _ => {}
        }
    }
}

/// A stream of messages that a daemon sends.
#[derive(Debug)]
pub struct EventStream {
    body: Incoming,
    parser: Parser,
}

impl EventStream {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, parser: Parser::default() }
    }

    /// The next message; `None` when the daemon ended the stream. Waits as long as it takes: a
    /// daemon that dies closes its socket.
    ///
    /// # Errors
    /// The connection broke, or a line is longer than any record.
    pub async fn next(&mut self) -> Result<Option<Message>, ClientError> {
        loop {
            if let Some(message) = self.parser.next() {
                return Ok(Some(message));
            }
            if self.parser.bytes.len() > LINE_BYTES_MAX {
                let what = format!("a line of the stream is longer than {LINE_BYTES_MAX} bytes");
                return Err(ClientError::Cut { what });
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(super::cut(&error)),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.parser.feed(bytes);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_same_however_the_bytes_are_cut() {
        let text = ": hello\n\nid: 7\ndata: {\"seq\":7}\n\nevent: gap\r\nid:9\r\ndata:a\r\ndata: b\r\n\r\n\nid: 10\ndata: cut";
        let expected = vec![
            Message { id: Some(7), event: String::new(), data: "{\"seq\":7}".to_owned() },
            Message { id: Some(9), event: "gap".to_owned(), data: "a\nb".to_owned() },
        ];
        for size in 1..=text.len() {
            let mut parser = Parser::default();
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                parser.feed(piece);
                found.extend(std::iter::from_fn(|| parser.next()));
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }
}
