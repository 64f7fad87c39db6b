//! Notes: what is written is read back, what others wrote holds, and nothing else does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kairos_journal::note::{
    Checkpoint, NOTE_BYTES_MAX, Note, NoteError, SIGNATURES_MAX, Signer, Verifier,
};
use kairos_journal::tree::Hash;
use ring::signature::Ed25519KeyPair;

const NAME: &str = "kairos/01JV0000000000000000000007";

fn signer() -> Signer {
    Signer::new(NAME, [7; 32]).expect("a name")
}

fn root() -> Hash {
    Hash::of_leaf(b"frame")
}

fn read(text: &str) -> Result<Note, NoteError> {
    Note::read(text.as_bytes())
}

#[test]
fn what_is_signed_is_read_back_and_holds() {
    let signer = signer();
    let note = signer.sign(4711, root());
    let text = note.to_string();
    let again = read(&text).expect("a note");
    assert_eq!((&again, again.to_string()), (&note, text.clone()));
    let said = Checkpoint { origin: NAME.into(), size: 4711, root: root(), extensions: vec![] };
    assert_eq!(signer.verifier().check(&again), Ok(said));
    assert_eq!(note.text(), format!("{NAME}\n4711\n{}\n", root()));
    assert_eq!(signer.sign(4711, root()), note, "the same is signed the same");
}

#[test]
fn keys_are_read_back_from_their_text() {
    let signer = signer();
    let public = signer.verifier().to_string();
    assert_eq!(Verifier::read(&public).as_ref(), Ok(signer.verifier()));
    let again = Signer::read(&signer.secret()).expect("its own text");
    assert_eq!(again.verifier(), signer.verifier());
    assert!(!format!("{signer:?}").contains(&signer.secret()[12..]));
}

/// The key and the notes are the ones in the documentation of Go's `sumdb/note`.
#[test]
fn a_note_that_another_program_signed_holds() {
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n\n\
                — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg\
                KvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let key = Verifier::read(key).expect("a key");
    let note = read(text).expect("a note");
    let no_number = NoteError::Checkpoint { what: "its size is no number" };
    assert_eq!(key.check(&note), Err(no_number), "the signature holds, the text is no checkpoint");
    let forged = read(&text.replace("cryptography", "cryptogrophy")).expect("a note");
    assert_eq!(key.check(&forged), Err(NoteError::Forged { name: "PeterNeumann".into() }));
}

#[test]
fn no_flipped_bit_leaves_a_note_that_holds() {
    let signer = signer();
    let note = signer.sign(1_234_567, root()).to_string().into_bytes();
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut flipped = note.clone();
            flipped[at] ^= 1 << bit;
            let checked = Note::read(&flipped).and_then(|note| signer.verifier().check(&note));
            assert!(checked.is_err(), "byte {at}, bit {bit}");
        }
    }
    for length in 0..note.len() {
        let cut = Note::read(&note[..length]).and_then(|note| signer.verifier().check(&note));
        assert!(cut.is_err(), "cut to {length}");
    }
}

#[test]
fn only_the_key_that_is_asked_for_counts() {
    let (ours, note) = (signer(), signer().sign(5, root()).to_string());
    let other = Signer::new("kairos/other", [9; 32]).expect("a name");
    let same_name = Signer::new(NAME, [9; 32]).expect("a name");
    let parsed = read(&note).expect("a note");
    for stranger in [&other, &same_name] {
        let name = stranger.verifier().name().to_owned();
        assert_eq!(stranger.verifier().check(&parsed), Err(NoteError::NotSigned { name }));
    }
    // Witnesses add lines; ours must hold all the same, and theirs are not looked at.
    let witness = "— witness.example AAAAAAECAwQ=\n";
    let witnessed = read(&format!("{note}{witness}")).expect("a note");
    assert_eq!(ours.verifier().check(&witnessed).map(|said| said.size), Ok(5));
    // A second line of ours that does not hold spoils the note.
    let both = read(&format!("{note}{}", other_line(&ours, 6))).expect("a note");
    assert_eq!(ours.verifier().check(&both), Err(NoteError::Forged { name: NAME.into() }));
}

/// A signature line of `signer` over another size.
fn other_line(signer: &Signer, size: u64) -> String {
    let note = signer.sign(size, root()).to_string();
    format!("{}\n", note.lines().last().expect("a signature"))
}

#[test]
fn a_key_speaks_for_its_own_journal_only() {
    let signer = signer();
    let text = format!("kairos/another\n5\n{}\n", root());
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
    let public = signer.verifier().to_string();
    let id = public.split('+').nth(1).expect("an id");
    let id = u32::from_str_radix(id, 16).expect("hexadecimal").to_be_bytes();
    let signature = [&id[..], pair.sign(text.as_bytes()).as_ref()].concat();
    let note = format!("{text}\n— {NAME} {}\n", STANDARD.encode(signature));
    let note = read(&note).expect("a note");
    let (name, origin) = (NAME.to_owned(), "kairos/another".to_owned());
    assert_eq!(signer.verifier().check(&note), Err(NoteError::Origin { name, origin }));
}

#[test]
fn the_form_is_strict() {
    let note = signer().sign(5, root()).to_string();
    let line = note.lines().last().expect("a signature").to_owned();
    let signature = |line: &str| format!("text\n\n{line}\n");
    let wrong = NoteError::Signature { line: 1 };
    let cases = [
        (String::new(), NoteError::NoText),
        ("text".to_owned(), NoteError::NoText),
        ("text\n".to_owned(), NoteError::NoSignatures),
        ("text\n\n".to_owned(), NoteError::NoSignatures),
        (signature(&line).replace("text", "te\txt"), NoteError::NoText),
        (signature(&line).replace('\n', "\r\n"), NoteError::NoText),
        (signature(&line).trim_end().to_owned(), NoteError::NoText),
        (signature(&line.replace('—', "-")), wrong.clone()),
        (signature(&line.replace("— ", "—  ")), wrong.clone()),
        (signature(&line.replace("kairos/", "kai+ros/")), wrong.clone()),
        (signature(&format!("{line} ")), wrong.clone()),
        (signature("— name AAAA"), wrong.clone()),
        (signature("— name AAAAAA=="), wrong.clone()),
        (signature("— name ===="), wrong.clone()),
        (signature("— name"), wrong.clone()),
        (signature(&format!("{line}\nx")), NoteError::Signature { line: 2 }),
        (
            format!("text\n\n{}", format!("{line}\n").repeat(SIGNATURES_MAX + 1)),
            NoteError::TooManySignatures,
        ),
        ("x".repeat(NOTE_BYTES_MAX + 1), NoteError::TooLong),
    ];
    for (text, expected) in cases {
        let shown: String = text.chars().take(80).collect();
        assert_eq!(read(&text), Err(expected), "{shown:?}");
    }
    assert_eq!(Note::read(b"te\xffxt\n\n"), Err(NoteError::NoText));
    let many = format!("text\n\n{}", format!("{line}\n").repeat(SIGNATURES_MAX));
    assert!(read(&many).is_ok());
    let blank = read(&format!("a\n\nb\n\n{line}\n")).expect("a note");
    assert_eq!(blank.text(), "a\n\nb\n", "the last blank line counts");
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let hash = root();
    let wrong = |what| Err(NoteError::Checkpoint { what });
    let cases = [
        (format!("o\n5\n{hash}"), wrong("it does not end in a newline")),
        (format!("\n5\n{hash}\n"), wrong("no origin")),
        (format!("o\n05\n{hash}\n"), wrong("its size is no number")),
        (format!("o\n+5\n{hash}\n"), wrong("its size is no number")),
        (format!("o\n-5\n{hash}\n"), wrong("its size is no number")),
        (format!("o\n\n{hash}\n"), wrong("its size is no number")),
        (format!("o\n10000000000000000\n{hash}\n"), wrong("its size is no number")),
        (format!("o\n99999999999999999999999\n{hash}\n"), wrong("its size is no number")),
        ("o\n5\n".to_owned(), wrong("its root is no hash")),
        ("o\n5\nAAAA\n".to_owned(), wrong("its root is no hash")),
        (format!("o\n5\n{}\n", hash.to_string().replace('=', "")), wrong("its root is no hash")),
        (format!("o\n5\n{hash}\n\n"), wrong("an extension line is empty")),
    ];
    for (text, expected) in cases {
        assert_eq!(Checkpoint::read(&text), expected, "{text:?}");
    }
    let whole = format!("o\n0\n{hash}\nan extension\n");
    let read = Checkpoint::read(&whole).expect("a checkpoint");
    assert_eq!((read.size, read.extensions.len(), read.to_string()), (0, 1, whole));
}

#[test]
fn a_key_that_is_not_its_own_id_is_refused() {
    let text = signer().verifier().to_string();
    let id = text.split('+').nth(1).expect("an id").to_owned();
    let cases = [
        String::new(),
        NAME.to_owned(),
        text.replace(&id, "00000000"),
        text.replace(&id, &id.to_uppercase()).replace(NAME, "K"),
        text.replacen("kairos", "Kairos", 1),
        text.replace("+A", "+B"),
        format!("{text}A"),
        format!("{text}\n"),
        format!("+{text}"),
    ];
    for text in cases {
        assert_eq!(Verifier::read(&text), Err(NoteError::VerifierKey { text: text.clone() }));
        assert_eq!(Signer::read(&text).map(drop), Err(NoteError::SignerKey));
        assert_eq!(
            Signer::read(&format!("PRIVATE+KEY+{text}")).map(drop),
            Err(NoteError::SignerKey)
        );
    }
    assert!(Signer::new("with space", [0; 32]).is_none());
    assert!(Signer::new("", [0; 32]).is_none());
}
