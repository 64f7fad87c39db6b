//! How values become bytes between this process and its small program, and back.
//!
//! Owns one fixed order of lengths and bytes, little-endian. Every length is checked against what is
//! there before anything is taken. Knows no meaning.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Bytes being written.
#[derive(Default)]
pub(crate) struct Out(pub(crate) Vec<u8>);

impl Out {
    pub(crate) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.byte(u8::from(value));
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn path(&mut self, value: &Path) {
        self.bytes(value.as_os_str().as_bytes());
    }

    pub(crate) fn list<T>(&mut self, values: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.number(values.len() as u64);
        for value in values {
            each(self, value);
        }
    }
}

/// Bytes being read. `None` is an answer that ends the reading: they are not what was written.
pub(crate) struct In<'a>(pub(crate) &'a [u8]);

impl<'a> In<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    pub(crate) fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?.try_into().ok()?;
        self.take(length)
    }

    pub(crate) fn string(&mut self) -> Option<OsString> {
        self.bytes().map(|bytes| OsString::from_vec(bytes.to_vec()))
    }

    pub(crate) fn path(&mut self) -> Option<PathBuf> {
        self.string().map(PathBuf::from)
    }

    pub(crate) fn list<T>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.number()?;
        // One byte an item at least, so a count is no reason to reserve more than is there.
        (count <= self.0.len() as u64).then_some(())?;
        (0..count).map(|_| each(self)).collect()
    }

    /// Nothing is left.
    pub(crate) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_anything_shorter_is_not() {
        let mut out = Out::default();
        out.flag(true);
        out.number(7);
        out.path(Path::new("/a b\n"));
        out.list(&[1u64, 2], |out, value| out.number(*value));
        let read = |bytes: &[u8]| {
            let mut from = In(bytes);
            let all = (from.flag()?, from.number()?, from.path()?, from.list(In::number)?);
            from.end().map(|()| all)
        };
        assert_eq!(read(&out.0), Some((true, 7, PathBuf::from("/a b\n"), vec![1, 2])));
        for end in 0..out.0.len() {
            assert_eq!(read(&out.0[..end]), None, "{end}");
        }
    }

    #[test]
    fn a_count_without_items_is_refused() {
        let mut out = Out::default();
        out.number(u64::MAX);
        assert_eq!(In(&out.0).list(In::number), None);
    }
}
