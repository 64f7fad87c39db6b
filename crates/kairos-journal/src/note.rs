//! Signed notes, and the checkpoint that stands in one.
//!
//! Owns the text forms of C2SP's `signed-note` and `tlog-checkpoint`: what is written, what is
//! accepted, and whether a signature holds. Pure and bounded: whatever the bytes are, it answers
//! soon, and nothing is believed of a note before [`Verifier::check`] has passed it. Never reads a
//! journal; [`crate::checkpoint`] says what to sign.
//!
//! ```text
//! kairos/01J…                       origin
//! 4711                              number of frames
//! CsUYapGGPo4dkMgIAUqom/Xajj7h…=    root of the tree over them
//!
//! — kairos/01J… Az3grlgtzPICa5OS…=  key name, base64(4 bytes key id ‖ 64 bytes signature)
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kairos_core::kind::{Kind, Refused};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use crate::tree::{Hash, SIZE_MAX};

/// A longer note is refused unread: 16 signatures of any kind in use fit.
pub const NOTE_BYTES_MAX: usize = 128 * 1024;

/// The most signatures of a note; most are of witnesses.
pub const SIGNATURES_MAX: usize = 64;

/// The longest name of a key.
pub const NAME_BYTES_MAX: usize = 255;

/// C2SP's number for plain Ed25519.
const ED25519_TYPE: u8 = 1;

const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
const DASH: &str = "— ";

/// Why a note, a checkpoint or a key was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("a note has at most {NOTE_BYTES_MAX} bytes")]
    TooLong,
    #[error("a note is UTF-8 text without control characters, ending in a newline")]
    NoText,
    #[error("no blank line separates text and signatures")]
    NoSignatures,
    #[error("a note has at most {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    #[error("signature line {line} does not read `— NAME BASE64`")]
    Signature {
        /// From 1.
        line: usize,
    },
    #[error("the text is no checkpoint: {what}")]
    Checkpoint { what: &'static str },
    #[error("`{text}` is no verifier key of the form `NAME+ID+BASE64`")]
    VerifierKey { text: String },
    #[error("what is there is no signing key of the form `PRIVATE+KEY+NAME+ID+BASE64`")]
    SignerKey,
    #[error("nobody signed with the key of `{name}`")]
    NotSigned { name: String },
    #[error("the signature of `{name}` does not hold")]
    Forged { name: String },
    #[error("the note is signed by `{name}`, and its origin is `{origin}`")]
    Origin { name: String, origin: String },
}

impl NoteError {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotSigned { .. } | Self::Forged { .. } | Self::Origin { .. } => Kind::Denied,
            Self::TooLong
            | Self::NoText
            | Self::NoSignatures
            | Self::TooManySignatures
            | Self::Signature { .. }
            | Self::Checkpoint { .. }
            | Self::VerifierKey { .. }
            | Self::SignerKey => Kind::Refused(Refused::BadInput),
        }
    }
}

/// What a tree head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which journal; the name of the key that signs for it.
    pub origin: String,
    /// How many frames.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// Lines of others; kairos writes none.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`NoteError::Checkpoint`].
    pub fn read(text: &str) -> Result<Self, NoteError> {
        let wrong = |what| NoteError::Checkpoint { what };
        let body = text.strip_suffix('\n').ok_or(wrong("it does not end in a newline"))?;
        let mut lines = body.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(wrong("no origin"))?;
        let size = lines.next().and_then(decimal).ok_or(wrong("its size is no number"))?;
        let root = lines.next().and_then(Hash::read).ok_or(wrong("its root is no hash"))?;
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(wrong("an extension line is empty"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }
}

impl fmt::Display for Checkpoint {
    /// The text that is signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// One spelling a number: no sign and no leading zero.
fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|size| plain && *size <= SIZE_MAX)
}

/// A text and who signed it. Reading one says nothing about the signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// A line below the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// It is too long, or not of the form.
    pub fn read(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::NoText)?;
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') || !note.ends_with('\n') {
            return Err(NoteError::NoText);
        }
        let blank = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, below) = (&note[..=blank], &note[blank + 2..]);
        let below = below.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
        if below.split('\n').count() > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        let signature =
            |(i, line)| Signature::read(line).ok_or(NoteError::Signature { line: i + 1 });
        let signatures = below.split('\n').enumerate().map(signature).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// What is signed, with its last newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, id, bytes } in &self.signatures {
            let signature = BASE64.encode([&id[..], bytes].concat());
            writeln!(f, "{DASH}{name} {signature}")?;
        }
        Ok(())
    }
}

impl Signature {
    fn read(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = BASE64.decode(signature).ok()?;
        let (id, bytes) = bytes.split_first_chunk()?;
        let whole = is_name(name) && !bytes.is_empty();
        whole.then(|| Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
    }
}

/// Whether a key may be called so.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(wrong)
}

/// The public half of a key: whose signature is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: [u8; KEY_BYTES],
}

impl Verifier {
    /// Reads `NAME+ID+BASE64`.
    ///
    /// # Errors
    /// It is not of that form, of another kind of key, or its id is not that of the key.
    pub fn read(text: &str) -> Result<Self, NoteError> {
        let wrong = || NoteError::VerifierKey { text: text.chars().take(200).collect() };
        let (name, id, key) = parts(text).ok_or_else(wrong)?;
        let verifier = Self { name, key };
        if verifier.id() != id {
            return Err(wrong());
        }
        Ok(verifier)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Answers the checkpoint in `note` once its signature by this key holds.
    ///
    /// # Errors
    /// This key has not signed it, a signature does not hold, or it is no checkpoint of the journal
    /// the key belongs to.
    pub fn check(&self, note: &Note) -> Result<Checkpoint, NoteError> {
        let id = self.id();
        let mut ours = note.signatures.iter().filter(|s| s.name == self.name && s.id == id);
        let name = || self.name.clone();
        let key = UnparsedPublicKey::new(&ED25519, self.key);
        let first = ours.next().ok_or_else(|| NoteError::NotSigned { name: name() })?;
        if std::iter::once(first)
            .chain(ours)
            .any(|signature| key.verify(note.text.as_bytes(), &signature.bytes).is_err())
        {
            return Err(NoteError::Forged { name: name() });
        }
        let checkpoint = Checkpoint::read(&note.text)?;
        if checkpoint.origin != self.name {
            return Err(NoteError::Origin { name: name(), origin: checkpoint.origin });
        }
        Ok(checkpoint)
    }

    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update([b'\n', ED25519_TYPE]);
        let hash: [u8; 32] = hash.chain_update(self.key).finalize().into();
        *hash.first_chunk().expect("a hash is longer")
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = BASE64.encode([&[ED25519_TYPE], &self.key[..]].concat());
        write!(f, "{}+{id:08x}+{key}", self.name)
    }
}

/// The secret half. Shows nothing of it but through [`Signer::secret`].
pub struct Signer {
    seed: [u8; KEY_BYTES],
    pair: Ed25519KeyPair,
    verifier: Verifier,
}

impl Signer {
    /// The key of `name` that follows from 32 random bytes; `None` when no key may be called so.
    #[must_use]
    pub fn new(name: &str, seed: [u8; KEY_BYTES]) -> Option<Self> {
        if !is_name(name) {
            return None;
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a seed");
        let key = pair.public_key().as_ref().try_into().expect("a public key has 32 bytes");
        Some(Self { seed, pair, verifier: Verifier { name: name.to_owned(), key } })
    }

    /// Reads `PRIVATE+KEY+NAME+ID+BASE64`.
    ///
    /// # Errors
    /// [`NoteError::SignerKey`], which shows nothing of it.
    pub fn read(text: &str) -> Result<Self, NoteError> {
        let key = text.strip_prefix(PRIVATE).and_then(parts);
        let (name, id, seed) = key.ok_or(NoteError::SignerKey)?;
        let signer = Self::new(&name, seed).ok_or(NoteError::SignerKey)?;
        if signer.verifier.id() != id {
            return Err(NoteError::SignerKey);
        }
        Ok(signer)
    }

    /// The key itself, as [`Signer::read`] takes it: for its own file and nothing else.
    #[must_use]
    pub fn secret(&self) -> String {
        let Verifier { name, .. } = &self.verifier;
        let id = u32::from_be_bytes(self.verifier.id());
        let seed = BASE64.encode([&[ED25519_TYPE], &self.seed[..]].concat());
        format!("{PRIVATE}{name}+{id:08x}+{seed}")
    }

    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Signs that the first `size` frames have `root`. The same is always signed the same.
    #[must_use]
    pub fn sign(&self, size: u64, root: Hash) -> Note {
        let name = self.verifier.name.clone();
        let checkpoint = Checkpoint { origin: name.clone(), size, root, extensions: Vec::new() };
        let text = checkpoint.to_string();
        let bytes = self.pair.sign(text.as_bytes()).as_ref().to_vec();
        debug_assert_eq!(bytes.len(), SIGNATURE_BYTES);
        Note { text, signatures: vec![Signature { name, id: self.verifier.id(), bytes }] }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

const PRIVATE: &str = "PRIVATE+KEY+";

/// Name, id and the 32 bytes of `NAME+ID+BASE64`.
fn parts(text: &str) -> Option<(String, [u8; 4], [u8; KEY_BYTES])> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let lower = id.len() == 8 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let id = u32::from_str_radix(id, 16).ok().filter(|_| lower)?.to_be_bytes();
    let key = BASE64.decode(key).ok()?;
    let (kind, key) = key.split_first()?;
    let known = is_name(name) && *kind == ED25519_TYPE;
    key.try_into().ok().filter(|_| known).map(|key| (name.to_owned(), id, key))
}
