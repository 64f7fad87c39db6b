//! One frame: the bytes of one atomic commit.
//!
//! Owns the head's layout, its checksums and the link from one frame to the next. Never does I/O
//! and never looks into a body. The ledger seals frames with it; recovery, reader and `verify`
//! read them back.
//!
//! ```text
//! kj1 <len:8 hex> <seq:16> <durable:16> <prev:64 hex> <body_crc32:8 hex> <head_crc32:8 hex> <body>\n
//! 0   4           13       30           47            112                121               130
//! ```
//!
//! `len` counts the body without its newline, and so does `body_crc32`. `head_crc32` covers bytes
//! 0 to 120. Hex is lower case: a second spelling of the same number would be a flip nobody sees.

use kairos_core::fold::Seq;
use sha2::{Digest as _, Sha256};

/// Bytes before the body.
pub(crate) const HEAD_BYTES: usize = 130;

/// Bytes of a frame around its body: the head and the newline.
pub(crate) const FRAMING_BYTES: usize = HEAD_BYTES + 1;

/// The part of the head that its checksum vouches for, the checksum included. The space behind it
/// is left out: alone in the next sector, one flipped bit would make it look like a sector that
/// never arrived.
pub(crate) const VOUCHED_BYTES: usize = 129;

pub(crate) const MAGIC: &[u8; 4] = b"kj1 ";

const LEN: usize = 4;
const SEQ: usize = 13;
const DURABLE: usize = 30;
const PREV: usize = 47;
const BODY_CRC: usize = 112;
const HEAD_CRC: usize = 121;
const SPACES: [usize; 5] = [12, 29, 46, 111, 120];

/// How a frame names the one before it: SHA-256 over a zero byte and the frame (the leaf hash of
/// RFC 6962), as the hex digits that stand in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link([u8; 64]);

impl Link {
    /// Before the first frame.
    pub(crate) const START: Self = Self([b'0'; 64]);

    pub(crate) fn of(frame: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update([0]);
        hash.update(frame);
        let mut text = [0; 64];
        for (digits, byte) in text.chunks_exact_mut(2).zip(hash.finalize()) {
            write_hex(digits, byte.into());
        }
        Self(text)
    }
}

/// What a head says whose checksum holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Head, body and newline.
    pub(crate) frame_bytes: usize,
    pub(crate) seq: Seq,
    /// The highest position known to be synced when this frame was written.
    pub(crate) durable: Seq,
}

impl Head {
    /// Reads the head at the start of `bytes`; `None` when there is none whose checksum holds.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..VOUCHED_BYTES)?;
        let crc = read_hex(&head[HEAD_CRC..])?;
        let spaced = SPACES.iter().all(|at| head[*at] == b' ');
        if !head.starts_with(MAGIC) || !spaced || crc32fast::hash(&head[..HEAD_CRC]) != crc {
            return None;
        }
        let body_bytes = usize::try_from(read_hex(&head[LEN..LEN + 8])?).ok()?;
        Some(Self {
            frame_bytes: body_bytes.saturating_add(FRAMING_BYTES),
            seq: Seq(read_decimal(&head[SEQ..SEQ + 16])?),
            durable: Seq(read_decimal(&head[DURABLE..DURABLE + 16])?),
        })
    }
}

/// Whether `frame` names the frame before it as `link` does.
pub(crate) fn follows(frame: &[u8], link: &Link) -> bool {
    frame[PREV..PREV + 64] == link.0
}

/// The body of `frame`, whose head holds, when it is whole.
pub(crate) fn body(frame: &[u8]) -> Option<&[u8]> {
    let crc = read_hex(&frame[BODY_CRC..BODY_CRC + 8])?;
    let (body, end) = frame[HEAD_BYTES..].split_at(frame.len() - FRAMING_BYTES);
    let framed = frame[VOUCHED_BYTES] == b' ' && end == b"\n";
    (framed && crc32fast::hash(body) == crc).then_some(body)
}

/// Fills in the head of `frame`: `HEAD_BYTES` of anything, the body, the newline.
pub(crate) fn seal(frame: &mut [u8], seq: Seq, durable: Seq, prev: &Link) {
    let (head, rest) = frame.split_at_mut(HEAD_BYTES);
    let body = &rest[..rest.len() - 1];
    let body_bytes = u32::try_from(body.len()).expect("a frame is at most 1 MiB");
    head.fill(b' ');
    head[..LEN].copy_from_slice(MAGIC);
    write_hex(&mut head[LEN..LEN + 8], body_bytes);
    write_decimal(&mut head[SEQ..SEQ + 16], seq.0);
    write_decimal(&mut head[DURABLE..DURABLE + 16], durable.0);
    head[PREV..PREV + 64].copy_from_slice(&prev.0);
    write_hex(&mut head[BODY_CRC..BODY_CRC + 8], crc32fast::hash(body));
    let crc = crc32fast::hash(&head[..HEAD_CRC]);
    write_hex(&mut head[HEAD_CRC..HEAD_CRC + 8], crc);
}

fn write_hex(digits: &mut [u8], mut value: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn read_hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u32::from(nibble))
    })
}

fn write_decimal(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789"[(value % 10) as usize];
        value /= 10;
    }
}

fn read_decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8], seq: u64, durable: u64) -> Vec<u8> {
        let mut frame = vec![0; HEAD_BYTES];
        frame.extend_from_slice(body);
        frame.push(b'\n');
        seal(&mut frame, Seq(seq), Seq(durable), &Link::START);
        frame
    }

    #[test]
    fn what_was_sealed_is_read_back() {
        let frame = frame(br#"{"t":"x","ev":[]}"#, 9_999_999_999_999_999, 12);
        let head = Head::read(&frame).unwrap();
        assert_eq!((head.seq, head.durable), (Seq(9_999_999_999_999_999), Seq(12)));
        assert_eq!(head.frame_bytes, frame.len());
        assert_eq!(body(&frame).unwrap(), br#"{"t":"x","ev":[]}"#);
    }

    #[test]
    fn no_flipped_bit_leaves_a_whole_frame() {
        let whole = frame(br#"{"t":"2026","ev":[{"made":{"n":1}}]}"#, 3, 2);
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let whole = Head::read(&flipped).is_some() && body(&flipped).is_some();
                assert!(!whole, "byte {at}, bit {bit}");
            }
        }
    }
}
