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
use sha2::block_api::Sha256VarCore;
use sha2::digest::Output;
use sha2::digest::array::Array;
use sha2::digest::block_api::{Block, Buffer, UpdateCore as _, VariableOutputCore as _};

/// Bytes before the body.
pub(crate) const HEAD_BYTES: usize = 130;

/// Bytes of a frame around its body: the head and the newline.
pub(crate) const FRAMING_BYTES: usize = HEAD_BYTES + 1;

/// The part of the head that its checksum vouches for, the checksum included. The space behind it
/// is left out: alone in the next sector, one flipped bit would make it look like a sector that
/// never arrived.
pub(crate) const VOUCHED_BYTES: usize = 129;

pub(crate) const MAGIC: &[u8; 4] = b"kj1 ";

const DIGEST_BYTES: usize = 32;

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
pub(crate) struct Link([u8; 2 * DIGEST_BYTES]);

impl Link {
    /// Before the first frame.
    pub(crate) const START: Self = Self([b'0'; 2 * DIGEST_BYTES]);

    pub(crate) fn of(frame: &[u8]) -> Self {
        // By blocks: the zero byte puts the frame one off the hash's own buffer, and copying it
        // through there costs a tenth of the hash.
        const FIRST: usize = 63;
        let (first, rest) = frame.split_at(FIRST);
        let (blocks, tail) = Array::slice_as_chunks(rest);
        let mut block = Block::<Sha256VarCore>::default();
        block[1..].copy_from_slice(first);
        let mut hash = Sha256VarCore::new(DIGEST_BYTES).expect("SHA-256 has 32 bytes");
        hash.update_blocks(&[block]);
        hash.update_blocks(blocks);
        let mut digest = Output::<Sha256VarCore>::default();
        hash.finalize_variable_core(&mut Buffer::<Sha256VarCore>::new(tail), &mut digest);
        let mut text = [0; 2 * DIGEST_BYTES];
        let (pairs, _) = text.as_chunks_mut();
        for (pair, byte) in pairs.iter_mut().zip(digest) {
            *pair = hex(byte);
        }
        Self(text)
    }

    /// Whether `frame` names the one before it so.
    pub(crate) fn is_in_head(&self, frame: &[u8]) -> bool {
        self.0 == *field(frame, PREV)
    }

    /// The digits.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hex digits are ASCII")
    }

    /// Reads what [`text`](Self::text) shows.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let digits: [u8; 2 * DIGEST_BYTES] = text.as_bytes().try_into().ok()?;
        let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        digits.iter().all(digit).then_some(Self(digits))
    }

    /// As `frame` names the one before it.
    pub(crate) fn in_head(frame: &[u8]) -> Self {
        Self(*field(frame, PREV))
    }

    /// The hash itself; `None` when the digits are none.
    pub(crate) fn bytes(&self) -> Option<[u8; DIGEST_BYTES]> {
        let mut bytes = [0; DIGEST_BYTES];
        let (words, _) = self.0.as_chunks();
        for (four, digits) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *four = read_hex(digits)?.to_be_bytes();
        }
        Some(bytes)
    }

    /// From the hash itself.
    pub(crate) fn from_bytes(bytes: &[u8; DIGEST_BYTES]) -> Self {
        let mut text = [0; 2 * DIGEST_BYTES];
        for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
            *pair = hex(*byte);
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
        let crc = read_hex(field(head, HEAD_CRC))?;
        let spaced = SPACES.iter().all(|at| head[*at] == b' ');
        if !head.starts_with(MAGIC) || !spaced || crc32fast::hash(&head[..HEAD_CRC]) != crc {
            return None;
        }
        let body_bytes = usize::try_from(read_hex(field(head, LEN))?).ok()?;
        Some(Self {
            frame_bytes: body_bytes.saturating_add(FRAMING_BYTES),
            seq: Seq(read_decimal(field(head, SEQ))?),
            durable: Seq(read_decimal(field(head, DURABLE))?),
        })
    }
}

/// The body of `frame`, whose head holds, when it is whole.
pub(crate) fn body(frame: &[u8]) -> Option<&[u8]> {
    let crc = read_hex(field(frame, BODY_CRC))?;
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
    write_decimal(field_mut(head, SEQ), seq.0);
    write_decimal(field_mut(head, DURABLE), durable.0);
    head[PREV..PREV + 2 * DIGEST_BYTES].copy_from_slice(&prev.0);
    write_hex(&mut head[BODY_CRC..BODY_CRC + 8], crc32fast::hash(body));
    let crc = crc32fast::hash(&head[..HEAD_CRC]);
    write_hex(&mut head[HEAD_CRC..HEAD_CRC + 8], crc);
}

// What follows stands in the inner loop of `verify`: whole bytes at once and no early exits.

/// The two digits of a byte; reckoned, because the compiler does sixteen at once and no table.
const fn hex(byte: u8) -> [u8; 2] {
    const fn digit(nibble: u8) -> u8 {
        nibble + b'0' + if nibble > 9 { b'a' - b'0' - 10 } else { 0 }
    }
    [digit(byte >> 4), digit(byte & 15)]
}

fn write_hex(digits: &mut [u8], value: u32) {
    for (digits, byte) in digits.chunks_exact_mut(2).zip(value.to_be_bytes()) {
        digits.copy_from_slice(&hex(byte));
    }
}

/// `byte` in every place of a word.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

fn read_hex(digits: &[u8; 8]) -> Option<u32> {
    let text = u64::from_be_bytes(*digits);
    let nibbles = (text & each(0x0f)) + ((text >> 6) & each(1)) * 9;
    // Written again they must be the same text: one spelling a number.
    let letters = ((nibbles + each(6)) >> 4) & each(1);
    let again = nibbles + each(b'0') + letters * u64::from(b'a' - b'0' - 10);
    let pairs = (nibbles >> 4 | nibbles) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs >> 8 | pairs) & 0x0000_ffff_0000_ffff;
    let whole = again == text && nibbles & each(0xf0) == 0;
    whole.then(|| u32::try_from((fours >> 16 | fours) & 0xffff_ffff).expect("32 bits were kept"))
}

fn write_decimal(digits: &mut [u8; 16], mut value: u64) {
    for pair in digits.rchunks_exact_mut(2) {
        let two = u8::try_from(value % 100).expect("a remainder of 100");
        pair.copy_from_slice(&[b'0' + two / 10, b'0' + two % 10]);
        value /= 100;
    }
}

fn read_decimal(digits: &[u8; 16]) -> Option<u64> {
    let (halves, _) = digits.as_chunks();
    Some(read_eight(halves[0])? * 100_000_000 + read_eight(halves[1])?)
}

fn read_eight(digits: [u8; 8]) -> Option<u64> {
    let ones = u64::from_le_bytes(digits) ^ each(b'0');
    let whole = (ones | ((ones & each(0x0f)) + each(6))) & each(0xf0) == 0;
    // The first digit is the lowest byte. Neighbours come together, then pairs, then fours.
    whole.then(|| {
        let pairs = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
        let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
        (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
    })
}

/// The `N` bytes of a head or frame from `at` on.
fn field<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    bytes[at..].first_chunk().expect("the caller has checked the length")
}

fn field_mut<const N: usize>(bytes: &mut [u8], at: usize) -> &mut [u8; N] {
    bytes[at..].first_chunk_mut().expect("a head is longer")
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for value in [0, 1, 0xf, 0x90a, 0x1234_5678, 0x9abc_def0, u32::MAX] {
            let text = format!("{value:08x}");
            assert_eq!(read_hex(text.as_bytes().try_into().unwrap()), Some(value), "{text}");
        }
        for at in 0..8 {
            for byte in 0..=u8::MAX {
                let mut text = *b"0123cdef";
                text[at] = byte;
                let digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                assert_eq!(read_hex(&text).is_some(), digit, "byte {byte:#x} at {at}");
            }
        }
        for value in [0, 1, 90, 1_234_567_890_123_456, 9_999_999_999_999_999] {
            let text = format!("{value:016}");
            assert_eq!(read_decimal(text.as_bytes().try_into().unwrap()), Some(value), "{text}");
        }
        for at in 0..16 {
            for byte in 0..=u8::MAX {
                let mut text = *b"0123456789012345";
                text[at] = byte;
                let digit = byte.is_ascii_digit();
                assert_eq!(read_decimal(&text).is_some(), digit, "byte {byte:#x} at {at}");
            }
        }
    }

    fn frame(body: &[u8], seq: u64, durable: u64) -> Vec<u8> {
        let mut frame = vec![0; HEAD_BYTES];
        frame.extend_from_slice(body);
        frame.push(b'\n');
        seal(&mut frame, Seq(seq), Seq(durable), &Link::START);
        frame
    }

    #[test]
    fn a_link_is_the_leaf_hash_of_its_frame() {
        // Every length around the end of a block, where the padding needs another one.
        for body_bytes in 0..200 {
            let frame = frame(&vec![b'x'; body_bytes], 1, 0);
            let hash = Sha256::new().chain_update([0]).chain_update(&frame).finalize();
            let text: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(Link::of(&frame).0, text.as_bytes(), "{body_bytes}");
            assert_eq!(Link::of(&frame).bytes(), Some(hash.into()), "{body_bytes}");
            assert_eq!(Link::from_bytes(&hash.into()), Link::of(&frame), "{body_bytes}");
        }
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
