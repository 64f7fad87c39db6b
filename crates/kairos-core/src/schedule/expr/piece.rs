//! Text with its place in the expression.
//!
//! Owns columns, so that the grammar never reckons with them.

/// Text with its place in the expression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// In characters, from 1.
    pub(super) column: usize,
}

impl<'a> Piece<'a> {
    pub(super) fn whole(text: &'a str) -> Self {
        Self { text, column: 1 }
    }

    pub(super) fn split(self, at: impl Fn(char) -> bool) -> impl Iterator<Item = Piece<'a>> {
        let mut column = self.column;
        self.text.split(at).map(move |text| {
            let piece = Piece { text, column };
            column += text.chars().count() + 1;
            piece
        })
    }

    pub(super) fn split_once(self, at: char) -> Option<(Piece<'a>, Piece<'a>)> {
        let (left, right) = self.text.split_once(at)?;
        let column = self.column + left.chars().count() + 1;
        Some((Piece { text: left, column: self.column }, Piece { text: right, column }))
    }

    /// Whether it is `word`, in capitals or not.
    pub(super) fn is(self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// What follows `word`, in capitals or not.
    pub(super) fn after(self, word: &str) -> Option<Piece<'a>> {
        let (head, text) = self.text.split_at_checked(word.len())?;
        let column = self.column + word.len();
        head.eq_ignore_ascii_case(word).then_some(Piece { text, column })
    }

    /// What `word` follows, in capitals or not.
    pub(super) fn before(self, word: &str) -> Option<Piece<'a>> {
        let (text, tail) = self.text.split_at_checked(self.text.len().checked_sub(word.len())?)?;
        tail.eq_ignore_ascii_case(word).then_some(Piece { text, column: self.column })
    }

    pub(super) fn is_star(self) -> bool {
        matches!(self.text, "*" | "?")
    }

    pub(super) fn starts_with_star(self) -> bool {
        self.text.starts_with(['*', '?'])
    }

    /// The number it is, where it is nothing but decimal digits and fits.
    pub(super) fn number(self) -> Option<u32> {
        self.is_digits().then(|| self.text.parse().ok())?
    }

    pub(super) fn is_digits(self) -> bool {
        !self.text.is_empty() && self.text.bytes().all(|b| b.is_ascii_digit())
    }

    pub(super) fn found(self) -> String {
        self.text.to_owned()
    }
}
