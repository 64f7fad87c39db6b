//! What is kept of a stream.
//!
//! Owns the bound: the first half and the last of what may be kept, however much is written. Reads
//! without waiting.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use crate::outcome::Captured;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// Reads at most in one go, so that one stream cannot keep the other from being read.
const CHUNKS_MAX: usize = 16;

/// One stream being read.
#[derive(Debug)]
pub(crate) struct Capture {
    /// `None` once its end was seen.
    pub(crate) stream: Option<OwnedFd>,
    keep: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Capture {
    pub(crate) fn new(stream: Option<OwnedFd>, keep: usize) -> Self {
        Self { stream, keep, head: Vec::new(), tail: VecDeque::new(), total: 0 }
    }

    /// More was written than is kept.
    pub(crate) fn is_over(&self) -> bool {
        self.total > self.keep as u64
    }

    /// Takes what is there. `false` when there was nothing more for now, or ever.
    pub(crate) fn read(&mut self) -> bool {
        let mut buffer = [0; CHUNK];
        for _ in 0..CHUNKS_MAX {
            let Some(stream) = &self.stream else { return false };
            match rustix::io::read(stream, &mut buffer[..]) {
                Ok(0) => self.stream = None,
                Ok(n) => self.take(&buffer[..n]),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return false,
                // A stream that cannot be read has nothing more to say.
                Err(_) => self.stream = None,
            }
        }
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let first = (self.keep.div_ceil(2) - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..first]);
        let last = self.keep / 2;
        let rest = &bytes[first..];
        let rest = &rest[rest.len().saturating_sub(last)..];
        let over = (self.tail.len() + rest.len()).saturating_sub(last);
        self.tail.drain(..over);
        self.tail.extend(rest);
    }

    pub(crate) fn finish(mut self) -> Captured {
        let truncated = self.is_over();
        let mut tail = Vec::from(self.tail);
        if !truncated {
            self.head.append(&mut tail);
        }
        Captured { head: self.head, tail, total: self.total, truncated }
    }
}

/// A pipe whose reading end never waits: (ours, the command's).
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&read, rustix::fs::OFlags::NONBLOCK)?;
    Ok((read, write))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(keep: usize, chunks: &[&[u8]]) -> Captured {
        let mut capture = Capture::new(None, keep);
        chunks.iter().for_each(|chunk| capture.take(chunk));
        capture.finish()
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let whole = |total| Captured { head: b"abcdef".into(), total, ..Captured::default() };
        assert_eq!(captured(6, &[b"abcdef"]), whole(6));
        assert_eq!(captured(6, &[b"ab", b"cd", b"ef"]), whole(6));
        assert_eq!(captured(100, &[b"a", b"bcdef"]), whole(6));
    }

    #[test]
    fn of_too_much_the_first_half_and_the_last_is_kept() {
        let cut = |head: &[u8], tail: &[u8], total| Captured {
            head: head.into(),
            tail: tail.into(),
            total,
            truncated: true,
        };
        assert_eq!(captured(6, &[b"abcdefg"]), cut(b"abc", b"efg", 7));
        assert_eq!(captured(6, &[b"ab", b"cdefgh", b"i"]), cut(b"abc", b"ghi", 9));
        assert_eq!(captured(5, &[b"abcdefgh"]), cut(b"abc", b"gh", 8));
        assert_eq!(captured(0, &[b"abc"]), cut(b"", b"", 3));
    }
}
